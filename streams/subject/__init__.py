"""Consent, links, exclusions and mandates: registrations become facts about a subject.

`codes` is the catalogue of findings, `admission` opens a submission, `parties` turns numbers into
pseudonyms, `authority` says who may register what, `decide` and `state` are the decision and its
fold, `stage` wires them to the engine.
"""
