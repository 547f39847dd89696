"""What auditors run: the log recomputed from its bytes, proofs, and decisions derived anew.

- `verify`, `recount`, `prove`: the transparency log
- `rederive` compares a stage's outputs with what its code decides today, and `quality` says how for
  the quality stage; `outputs`, `compare` and `report` are its parts, `keys` a vault that makes
  nothing, `log` where records come from, `reads` the record of the audit itself
"""
