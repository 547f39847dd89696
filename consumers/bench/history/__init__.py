"""The benchmark of reading the history, and the plans by which PostgreSQL reads it."""
