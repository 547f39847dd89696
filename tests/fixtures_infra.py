"""Fixtures of the real broker and database, started once per session by whoever asks first.

Loaded by `tests/conftest.py`, so that integration, e2e and chaos tests share them. A test keeps to
itself by its own topic names, keys or databases.
"""

import asyncio
import uuid
from collections.abc import Iterator

import pytest

from infra.embedded.cluster import EmbeddedInfrastructure, Endpoints
from infra.settings import Settings
from infra.topics import apply


@pytest.fixture(scope="session")
def infrastructure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    """Addresses of the running servers."""
    with EmbeddedInfrastructure(tmp_path_factory.mktemp("infrastructure")) as running:
        yield running.endpoints


@pytest.fixture(scope="session")
def settings(infrastructure: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings that point to the running servers; nothing comes from the environment."""
    return infrastructure.settings(tmp_path_factory.mktemp("data"), log_format="console")


@pytest.fixture(scope="session")
def topics_applied(settings: Settings) -> Settings:
    """The same settings, after every declared topic exists."""
    asyncio.run(apply(settings))
    return settings


@pytest.fixture
def topic() -> str:
    """A topic name that no other test uses."""
    return f"test.{uuid.uuid4().hex}"
