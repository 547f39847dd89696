import pytest

from tests.unit.consumers.api.world import World


@pytest.fixture
def world() -> World:
    return World()
