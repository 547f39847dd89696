"""Deciding alone, on one core: how fast, where the time goes, and what of it native code takes.

- `visits`: the submissions, sealed and opened
- `measure`: whole submissions next to a rival, round by round
- `phases`: one step of all submissions after the other
- `floor`: the calls into native code that no Python around them can spare
"""
