"""Surveillance of use as metrics: what the keeper shows of it."""
