"""The generic stage engine: Kafka in, one pure decision per submission, Kafka out, nothing lost.

`stage` is what a stage supplies, `outputs` builds what it writes, `app` runs it. Only `transport`
and `agent` know Faust; positions, order and restore are plain functions in `order` and `restore`.
"""
