"""A new key for the log, interrupted at every step and done again; the notary's part is played."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from consumers.keys import log_rotation
from consumers.keys.log_keys import LogKeyFiles
from consumers.keys.log_rotation import NotHandedOver, retire_log_key, rotate_log_key
from consumers.stack.office import first_keys, log_key_path, log_signers, log_verifier
from infra.kafka import BrokerUnavailable
from infra.settings import Settings, load_settings
from projections.broadcast import BroadcastTables
from projections.folds.publishers import BackboneKey
from schemas.publisher import BackboneKeyPublished, BackboneKeyRetired, KeyPurpose, PublisherFact
from streams.notary import notes
from streams.notary.handover import signers
from tests.support.audit_log import entry, grow, hand_over

NOW = datetime(2026, 11, 26, tzinfo=UTC)


class Office(BroadcastTables):
    """What the office has stated, and a broker that may be away."""

    def __init__(self) -> None:
        self.stated: list[PublisherFact] = []
        self.away = False

    def backbone_key_lives(self, purpose: KeyPurpose) -> list[BackboneKey]:
        retired = {one.key_id for one in self.stated if isinstance(one, BackboneKeyRetired)}
        return [
            BackboneKey(one, NOW, NOW if one.key_id in retired else None)
            for one in self.stated
            if isinstance(one, BackboneKeyPublished) and one.purpose == purpose
        ]

    async def publish(self, _sender: object, _office: object, fact: PublisherFact) -> str:
        if self.away:
            raise BrokerUnavailable("as if the broker were away")
        self.stated.append(fact)
        return type(fact).__name__


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Office:
    made = Office()

    @asynccontextmanager
    async def sending(_: Settings) -> AsyncIterator[None]:
        yield

    monkeypatch.setattr(log_rotation, "producer", sending)
    monkeypatch.setattr(log_rotation, "publish", made.publish)
    return made


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return first_keys(load_settings(data=tmp_path, log_origin="dpp.example/log"))


def files(settings: Settings) -> LogKeyFiles:
    return LogKeyFiles(log_key_path(settings))


def notary(settings: Settings) -> None:
    """Does what the files ask of it: hands over, if it is due."""
    held = files(settings).held()
    now = signers(held, ())
    last = grow(settings.log_folder, [entry(number) for number in range(9)])
    if now.due and now.successor is not None:
        hand_over(settings.log_folder, last, now.ruling, now.successor)


async def test_a_rotation_that_could_not_be_stated_goes_on_with_the_same_key_bad(
    settings: Settings, office: Office
) -> None:
    office.away = True
    with pytest.raises(BrokerUnavailable):
        await rotate_log_key(settings, office)
    made = log_signers(settings).successor
    assert made is not None
    office.away = False
    begun = await rotate_log_key(settings, office)
    assert begun.successor == notes.verifier(settings.log_origin, made)
    assert [one.fact.key_id for one in office.backbone_key_lives("log")] == ["log-1", "log-2"]
    assert (await rotate_log_key(settings, office)).stated == []


async def test_nothing_is_retired_that_has_no_successor_bad(
    settings: Settings, office: Office
) -> None:
    with pytest.raises(NotHandedOver, match="rotate-key"):
        await retire_log_key(settings, office, 0)
    assert len(files(settings).load()) == 1


async def test_a_notary_that_does_not_run_hands_over_later_and_nothing_goes_before_bad(
    settings: Settings, office: Office
) -> None:
    former = log_verifier(settings)
    await rotate_log_key(settings, office)
    with pytest.raises(NotHandedOver, match="dpp run notary"):
        await retire_log_key(settings, office, 0)
    assert files(settings).held().retiring == former.key
    assert len(files(settings).load()) == 2
    assert log_verifier(settings) == former

    notary(settings)
    done = await retire_log_key(settings, office, 0)
    assert (done.former, done.successor) == (former, log_verifier(settings))
    assert [key.key_id for key in files(settings).load()] == ["log-2"]
    assert files(settings).held().retiring is None


async def test_a_private_key_goes_only_when_its_retirement_is_stated_bad(
    settings: Settings, office: Office
) -> None:
    await rotate_log_key(settings, office)
    files(settings).retire(files(settings).load()[0])
    notary(settings)
    office.away = True
    with pytest.raises(BrokerUnavailable):
        await retire_log_key(settings, office, 0)
    assert len(files(settings).load()) == 2
    office.away = False
    for _ in range(2):
        await retire_log_key(settings, office, 0)
        assert len(files(settings).load()) == 1
    retired = [one for one in office.backbone_key_lives("log") if one.retired_at is not None]
    assert [one.fact.key_id for one in retired] == ["log-1"]


async def test_the_next_rotation_begins_anew(settings: Settings, office: Office) -> None:
    await rotate_log_key(settings, office)
    files(settings).retire(files(settings).load()[0])
    notary(settings)
    await retire_log_key(settings, office, 0)
    begun = await rotate_log_key(settings, office)
    assert begun.ruling == log_verifier(settings)
    assert not log_signers(settings).due
    assert [key.key_id for key in files(settings).load()] == ["log-2", "log-3"]
