"""What all tests share: the fixtures of the real broker and database (started only when asked)."""

pytest_plugins = ["tests.fixtures_infra"]
