"""What makers of pharmacy software work with before they publish to a real record.

- `codes_page`: the catalogue of codes as rows for a program and as the page `docs/quality-codes.md`
- `testers`: the test publishers and test persons
- `offline`: quality control in memory; `check`: what the receipts of submissions would say
"""
