"""Erasures: what the keeper does once the fact is there, and the certificate of it."""
