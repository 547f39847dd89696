"""The servers of the fault suite, which kills them, so nobody shares them."""

from collections.abc import Iterator

import pytest

from tests.support.chaos import ground as grounds


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[grounds.Ground]:
    """Broker, database, topics, keys and enrolled pharmacies."""
    with grounds.ground(tmp_path_factory.mktemp("chaos")) as ready:
        yield ready
