"""What auditors run: the log recomputed from its bytes, proofs made and checked."""
