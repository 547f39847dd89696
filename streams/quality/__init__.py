"""Quality control of what pharmacies submit: from raw record to facts and one receipt.

- `codes`, `texts`: the catalogue of findings, as data
- `rules`: small pure rules over a body; `lifecycle`: register, correct, revoke of a line;
  `numbering`: sequence numbers, gaps and replays of a publisher
- `admission`, `inspection`, `content`: from bytes to a trusted body, its findings, its normal form
- `state`: what a partition remembers, a fold of its outputs
- `decide`: one submission to its outputs; `stage`: the shell that gathers what deciding needs
"""
