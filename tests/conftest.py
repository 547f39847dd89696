"""What all tests share: the fixtures of the real broker and database (started only when asked)."""

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.fixtures_infra"]

# How long an example takes says how busy the machine is; what is measured are benchmarks.
settings.register_profile("exploring", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# The same examples in every run, which judges the change; `make explore` looks for more.
settings.register_profile("settled", settings.get_profile("exploring"), derandomize=True)
settings.load_profile("settled")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take minutes begin first, so that no worker waits for them at the end."""
    items.sort(key=lambda item: not {"chaos", "e2e"} & set(item.path.parts))
