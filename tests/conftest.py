"""What all tests share: the fixtures of the real broker and database (started only when asked)."""

import pytest
from hypothesis import settings

pytest_plugins = ["tests.fixtures_infra"]

# How long an example takes says how busy the machine is; what is measured are benchmarks.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take minutes begin first, so that no worker waits for them at the end."""
    items.sort(key=lambda item: not {"chaos", "e2e"} & set(item.path.parts))
