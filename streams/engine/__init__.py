"""The generic stage engine: Kafka in, one pure decision per submission, Kafka out, nothing lost.

`stage` is what a stage supplies, `outputs` builds what it writes, `app` runs it. Only `transport`
and `app` know Faust; positions, order and restore are plain functions in `order` and `restore`.
State is `tables` over a `store`. The argument for what is guaranteed is in docs/design/engine.md.
"""
