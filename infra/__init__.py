"""Adapters to the world, and what runs them; imported by composition roots and shells only.

`settings`, `errors`
    What a process is told from outside; errors that are one clear sentence.
`kafka`, `kafka_connection`, `kafka_admin`, `topics`
    The only modules that touch aiokafka directly; bringing topics to their declaration.
`postgres`, `migrations`
    Connections and pools; plain SQL files, applied once and in order.
`keys`
    Key vaults behind the port of `schemas.keyvault`.
`observability`
    Logs without secrets, metrics, health.
`embedded`
    A real broker and a real database for demo, development and tests.
"""
