"""What auditors run: the log recomputed from its bytes, proofs, and decisions derived anew.

- `verify`, `recount`, `follow`, `kept`: the transparency log recomputed, once or for ever, and what
  is remembered of it; `remote` reads it over HTTP; `prove` makes proofs, `places` finds leaves
- `crosscheck`, `against_kafka`: the log compared with the topics that it is of
- `replay` builds projections from the log alone and compares them with live rows; `replayed` is
  what it finds, `cuts` up to where it looks, `logged` reads records from leaves
- `diff` tells what events changed between two places of the log, `changed` what of it may be
  told; `exported` compares what two versions of the code make; `erased` who is erased by the log
- `summary` is the signed report of all audits and `page` the same to print; `reporting` runs them,
  `period` and `tally` count what the log holds of a period
- `rederive` compares a stage's outputs with what its code decides today, and `quality` says how for
  the quality stage; `outputs`, `compare` and `report` are its parts, `keys` a vault that makes
  nothing, `log` where records come from, `reads` the record of the audit itself
"""
