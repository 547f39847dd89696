"""A real broker and a real database, from wheels and locked jars, for demo, development and tests.

`cluster`
    `EmbeddedInfrastructure(folder)`: starts both, gives their addresses, stops both.
`broker`, `database`
    Apache Kafka (KRaft, one node) and PostgreSQL, each as one child process.
`jars`
    The locked list of Kafka's jars (`kafka.lock`), fetched once per user and checked.
`launch`, `processes`
    Starting children that end with their parent, and finding what a killed run left behind.
"""
