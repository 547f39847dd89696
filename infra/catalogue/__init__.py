"""The medicines catalogue: in Postgres (postgres, loading, sql), in memory, a cache."""
