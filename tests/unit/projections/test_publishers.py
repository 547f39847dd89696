"""Publishers and sessions are judged as of a time, from the facts that were appended by then."""

from datetime import UTC, datetime, timedelta

import pytest

from projections.folds.publishers import (
    BackboneKey,
    PublisherEntry,
    SessionEntry,
    active_key,
    evolve,
    may_submit,
    session_fault,
)
from schemas.publisher import (
    BackboneKeyPublished,
    BackboneKeyRetired,
    Contract,
    ContractEnded,
    Enrolled,
    KeyAdded,
    KeyWithdrawn,
    PublisherFact,
    PublisherKey,
    SessionOpened,
)

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
TYPE = "be.dpp.dispensation.register.v1"
NUMBER = "80000551"


def key(key_id: str, letter: str = "A") -> PublisherKey:
    return PublisherKey(key_id=key_id, public_key=letter * 42 + "A", proof="A")


def enrolled(until: datetime | None = None) -> Enrolled:
    contract = Contract(event_types=(TYPE,), valid_from=START, valid_until=until)
    return Enrolled(publisher=NUMBER, publisher_kind="pharmacy", key=key("1"), contract=contract)


def given(*facts: tuple[PublisherFact, datetime]) -> PublisherEntry:
    entry: PublisherEntry | None = None
    for fact, at in facts:
        entry = evolve(entry, fact, at)
    assert entry is not None
    return entry


def session(opened: datetime = START, hours: float = 24, key_id: str = "1") -> SessionEntry:
    value = SessionOpened(
        session="a" * 16,
        publisher=NUMBER,
        key_id=key_id,
        not_after=opened + timedelta(hours=hours),
        intake_key="intake-1",
        encapsulation="A",
        signature="A",
    )
    return SessionEntry(value, opened)


def test_an_enrolled_publisher_may_submit_what_its_contract_names() -> None:
    entry = given((enrolled(), START))

    assert may_submit(entry, TYPE, START + HOUR)


@pytest.mark.parametrize(
    ("facts", "event_type", "at"),
    [
        ([(enrolled(), START)], "be.dpp.dispensation.revoke.v1", START + HOUR),
        ([(enrolled(), START)], TYPE, START - HOUR),
        ([(enrolled(START + HOUR), START)], TYPE, START + HOUR),
        (
            [
                (enrolled(), START),
                (ContractEnded(publisher=NUMBER, ends_at=START, reason="closed"), START + HOUR),
            ],
            TYPE,
            START + HOUR,
        ),
    ],
)
def test_an_enrolled_publisher_may_submit_what_its_contract_names_bad(
    facts: list[tuple[PublisherFact, datetime]], event_type: str, at: datetime
) -> None:
    assert not may_submit(given(*facts), event_type, at)


def test_an_end_is_not_felt_before_it_was_stated() -> None:
    ended = ContractEnded(publisher=NUMBER, ends_at=START, reason="closed")
    entry = given((enrolled(), START), (ended, START + 2 * HOUR))

    assert may_submit(entry, TYPE, START + HOUR)


def test_a_contract_stated_after_an_end_counts_again() -> None:
    ended = ContractEnded(publisher=NUMBER, ends_at=START, reason="moved")
    entry = given((enrolled(), START), (ended, START + HOUR), (enrolled(), START + 2 * HOUR))

    assert not may_submit(entry, TYPE, START + HOUR)
    assert may_submit(entry, TYPE, START + 3 * HOUR)


def test_a_key_is_active_from_its_fact_until_its_withdrawal() -> None:
    entry = given(
        (enrolled(), START),
        (KeyAdded(publisher=NUMBER, key=key("2", "B")), START + HOUR),
        (KeyWithdrawn(publisher=NUMBER, key_id="1", reason="lost"), START + 2 * HOUR),
    )

    assert active_key(entry, "1", START + HOUR) is not None
    assert active_key(entry, "1", START + 2 * HOUR) is None
    assert active_key(entry, "2", START) is None
    assert active_key(entry, "2", START + HOUR) is not None
    assert active_key(entry, "3", START + HOUR) is None


def test_an_id_is_never_given_to_another_key() -> None:
    entry = given(
        (enrolled(), START), (KeyAdded(publisher=NUMBER, key=key("1", "B")), START + HOUR)
    )

    assert entry.keys["1"].added_at == START


def test_a_session_holds_until_its_end() -> None:
    entry = given((enrolled(), START))

    assert session_fault(session(), entry, START + 24 * HOUR) is None


@pytest.mark.parametrize(
    ("opened", "hours", "key_id", "at", "fault"),
    [
        (START, 24, "1", START - HOUR, "unknown_session"),
        (START, 24, "9", START + HOUR, "key_unknown"),
        (START, 25, "1", START + HOUR, "session_too_long"),
        (START, 1, "1", START + 2 * HOUR, "session_expired"),
        (START, 24, "1", START + 5 * HOUR, "key_withdrawn"),
    ],
)
def test_a_session_holds_until_its_end_bad(
    opened: datetime, hours: float, key_id: str, at: datetime, fault: str
) -> None:
    withdrawn = KeyWithdrawn(publisher=NUMBER, key_id="1", reason="lost")
    entry = given((enrolled(), START), (withdrawn, START + 5 * HOUR))

    assert session_fault(session(opened, hours, key_id), entry, at) == fault


def test_a_session_of_nobody_is_none() -> None:
    assert session_fault(None, None, START) == "unknown_session"
    assert session_fault(session(), None, START) == "publisher_unknown"


def test_a_key_of_the_backbone_is_retired_once_and_remembered() -> None:
    published = BackboneKeyPublished(key_id="intake-1", purpose="intake", public_key="A")
    retired = BackboneKeyRetired(key_id="intake-1", purpose="intake")
    unknown = BackboneKeyRetired(key_id="intake-0", purpose="intake")
    facts = ((published, START), (unknown, START), (retired, START + HOUR))

    assert given(*facts[:2]).backbone_keys == {"intake-1": BackboneKey(published, START)}
    known = {"intake-1": BackboneKey(published, START, START + HOUR)}
    assert given(*facts).backbone_keys == known
    assert given(*facts, (retired, START + 2 * HOUR)).backbone_keys == known


def test_a_fact_about_somebody_unknown_is_refused() -> None:
    with pytest.raises(ValueError, match="never enrolled"):
        evolve(None, KeyWithdrawn(publisher=NUMBER, key_id="1", reason="lost"), START)
