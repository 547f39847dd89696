"""A witness of transparency logs, for whoever watches one: its own key, its own store, no Kafka.

`store` keeps the last checkpoint cosigned of each log, `known` the keys of logs, which it follows
from one to the next; `app` answers the protocol (C2SP tlog-witness). What is decided stands in
`streams.notary.witnessing`, which is pure.
"""
