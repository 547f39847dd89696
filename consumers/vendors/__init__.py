"""What makers of pharmacy software work with before they publish to a real record.

- `codes_page`: the catalogue of codes as rows for a program and as the page `docs/quality-codes.md`
"""
