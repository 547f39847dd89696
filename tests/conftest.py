"""What all tests share: the fixtures of the real broker and database (started only when asked)."""

from hypothesis import settings

pytest_plugins = ["tests.fixtures_infra"]

# How long an example takes says how busy the machine is; what is measured are benchmarks.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
