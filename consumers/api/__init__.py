"""The read and registration API: `app.create_app` over ports, `run.run_api` over the real world.

tokens, callers: who asks. reads: the order of a read. audit: its record. views, people: what is
shown. registrations, outcomes, registrar: consents, links, exclusions, mandates. submissions,
receipts: for publishers without Kafka. operators, refusals: what quality control refused.
limits, security, problems: the door. routes: addresses.
"""
