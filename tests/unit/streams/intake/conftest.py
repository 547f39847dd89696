"""A publisher over a backbone in memory; retries do not wait."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina

from streams.intake import Outbox, Publisher, SigningKey
from tests.unit.streams.intake.backbone import PHARMACY, FakeBackbone, FakeTransport


@pytest.fixture(autouse=True)
def _retries_without_pauses() -> Iterator[None]:
    with stamina.set_testing(True, attempts=50, cap=True):
        yield


@pytest.fixture
def key() -> SigningKey:
    return SigningKey.generate("1")


@pytest.fixture
def backbone(key: SigningKey) -> FakeBackbone:
    return FakeBackbone(key)


@pytest.fixture
def transport(backbone: FakeBackbone) -> FakeTransport:
    return FakeTransport(backbone)


@pytest.fixture
def outbox(tmp_path: Path, key: SigningKey) -> Iterator[Outbox]:
    found = Outbox(tmp_path / "outbox.sqlite", PHARMACY, key)
    yield found
    found.close()


@pytest.fixture
def publisher(
    key: SigningKey, outbox: Outbox, transport: FakeTransport, backbone: FakeBackbone
) -> Publisher:
    return Publisher(PHARMACY, key, outbox, transport, clock=backbone.clock, pause=0)
