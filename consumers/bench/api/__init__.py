"""What `dpp bench api` measures: reads by many at once while the log grows."""
