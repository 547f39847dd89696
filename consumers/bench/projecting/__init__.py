"""Projections: each fold alone, all together, rebuilding, hashing, and how soon a fact is seen."""
