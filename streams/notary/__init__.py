"""The notary: every fact, receipt and access decision becomes a leaf of one Merkle log.

`tree` hashes and proofs (RFC 6962), `tiles` where hashes and entries lie (C2SP tlog-tiles),
`notes` signed notes and checkpoints (C2SP signed-note, tlog-checkpoint), `leaf` the canonical
bytes of a record, `proofs` offline inclusion proofs (C2SP tlog-proof). Pure, all of them.
"""
