"""For every code of the catalogue: submissions that meet it, and a good twin that does not."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from schemas.dispensation import CORRECT, REGISTER, REVOKE
from schemas.publisher import ContractEnded, KeyWithdrawn
from streams.intake.session import WireRecord
from tests.support.quality_bench import (
    NOW,
    OTHER_PATIENT,
    OTHER_PHARMACY,
    PHARMACY,
    Answer,
    Bench,
    finish,
    guid,
    line,
    revocation,
    visit,
)

Scenario = Callable[[Bench], Answer]


def headers_with(record: WireRecord, **changed: str | None) -> tuple[tuple[str, bytes], ...]:
    """Headers with `ce_*` attributes replaced, or dropped for None; the seal notices."""
    kept = [(name, value) for name, value in record.headers if name[3:] not in changed]
    added = [(f"ce_{name}", text.encode()) for name, text in changed.items() if text is not None]
    return (*kept, *added)


def _raw(bench: Bench, **changes: Any) -> Answer:
    return bench.run([bench.received(bench.wire(visit()), **changes)])[0]


def _with_headers(bench: Bench, **changed: str | None) -> Answer:
    record = bench.wire(visit())
    return bench.run([bench.received(record, headers=headers_with(record, **changed))])[0]


def _after_registration(then: Scenario) -> Scenario:
    def scenario(bench: Bench) -> Answer:
        assert bench.submit(visit(line(1))).receipt.outcome == "accepted"
        return then(bench)

    return scenario


def _corrected_then(then: Scenario) -> Scenario:
    def scenario(bench: Bench) -> Answer:
        assert bench.correct(line(1, units=2, replaces=1)).receipt.outcome == "accepted"
        return then(bench)

    return _after_registration(scenario)


def _revoked_then(then: Scenario) -> Scenario:
    def scenario(bench: Bench) -> Answer:
        assert bench.revoke(1, 1).receipt.outcome == "accepted"
        return then(bench)

    return _after_registration(scenario)


def _erase_patients(bench: Bench) -> None:
    for subject in {one.subject for one in bench.state.lines.values()}:
        finish(bench.vault.destroy_subject(subject, bench.now))


def _erased_then(then: Scenario) -> Scenario:
    def scenario(bench: Bench) -> Answer:
        _erase_patients(bench)
        return then(bench)

    return _after_registration(scenario)


def _closed_then(then: Scenario) -> Scenario:
    def scenario(bench: Bench) -> Answer:
        for one in bench.state.lines.values():
            finish(bench.vault.destroy_period(one.period, bench.now))
        return then(bench)

    return _after_registration(scenario)


def _expired(bench: Bench) -> Answer:
    record = bench.wire(visit())
    bench.now += timedelta(hours=30)
    return bench.run([bench.received(record)])[0]


def _key_withdrawn(bench: Bench) -> Answer:
    withdrawn = KeyWithdrawn(publisher=PHARMACY, key_id="key-1", reason="stolen")
    bench.tables.learn(withdrawn, PHARMACY, NOW - timedelta(minutes=1))
    return bench.submit(visit())


def _contract_ended(bench: Bench) -> Answer:
    ended = ContractEnded(publisher=PHARMACY, ends_at=NOW - timedelta(hours=1), reason="closed")
    bench.tables.learn(ended, PHARMACY, NOW - timedelta(days=1))
    return bench.submit(visit())


def _contract_for_registrations(bench: Bench) -> Answer:
    bench.enrol("62599147", event_types=(REGISTER,))
    return bench.submit(revocation(), REVOKE, pharmacy="62599147")


def _anothers_session(bench: Bench) -> Answer:
    return bench.submit(visit(), session=replace(bench.open[OTHER_PHARMACY], publisher=PHARMACY))


def _session_of_the_future(bench: Bench) -> Answer:
    later = bench.session(PHARMACY, at=NOW + timedelta(seconds=1))
    return bench.submit(visit(), session=later)


def _wrong_session_key(bench: Bench) -> Answer:
    return bench.submit(visit(), session=replace(bench.open[PHARMACY], key=bytes(32)))


def _session_for_a_lost_intake_key(bench: Bench) -> Answer:
    finish(bench.vault.destroy_intake_key("intake-1", NOW))
    return bench.submit(visit())


def _truncated(bench: Bench) -> Answer:
    record = bench.wire(visit())
    return bench.run([bench.received(record, value=record.value[:-1])])[0]


def _wrong_partition(bench: Bench) -> Answer:
    return bench.run([bench.received(bench.wire(visit()), partition=1)])[0]


def _moved(bench: Bench) -> Answer:
    record = bench.wire(visit())
    return bench.run([bench.received(record, key=OTHER_PHARMACY.encode())])[0]


def _unreadable(bench: Bench) -> Answer:
    bench.submit(visit(line(1)))
    outputs = bench.stage.undecidable(bench.received(bench.wire(visit())), "ValueError")
    return Answer(outputs)


_OTHER_PERSON: Final = {"patient": {"niss": OTHER_PATIENT}}
_RETURN: Final = line(2, units=-1, returns=guid(1))
_BIG_LINE: Final = line(
    product={
        "kind": "magistral",
        "compounds": [{"order": 1, "name": "x" * 110} for _ in range(310)],
    }
)

BAD: Final[dict[str, tuple[Scenario, ...]]] = {
    "KEY_MISSING": (lambda b: _raw(b, key=None), lambda b: _raw(b, key=b"")),
    "EMPTY_SUBMISSION": (lambda b: _raw(b, value=None), lambda b: _raw(b, value=b"")),
    "PUBLISHER_UNKNOWN": (
        lambda b: _raw(b, key=b"62599147"),
        lambda b: _raw(b, key=b"\xff\xfe"),
        lambda b: _raw(b, key=b"x" * 100_000),
        lambda b: _raw(b, key=b"800 00551"),
        lambda b: _raw(b, appended_at=NOW - timedelta(days=500)),
    ),
    "SUBMISSION_TOO_LARGE": (
        lambda b: _raw(b, value=bytes(48 * 1024 + 1)),
        lambda b: b.submit(visit(_BIG_LINE)),
    ),
    "HEADER_INVALID": (
        lambda b: _with_headers(b, id=None),
        lambda b: _with_headers(b, id="85000000138"),
        lambda b: _with_headers(b, sessionid=None),
        lambda b: _with_headers(b, specversion="0.3"),
        lambda b: _with_headers(b, time="yesterday"),
        lambda b: _raw(b, headers=()),
        lambda b: _raw(b, headers=tuple(b.wire(visit()).headers) * 2),
        lambda b: _raw(b, headers=(("ce_85000000138", b"1"), ("ce_85000000138", b"1"))),
    ),
    "EVENT_TYPE_UNKNOWN": (
        lambda b: _with_headers(b, type="be.dpp.dispensation.register.v2"),
        lambda b: _with_headers(b, type="be.dpp.dispensation.registered.v1"),
    ),
    "SEQUENCE_INVALID": (
        lambda b: _with_headers(b, sequence=None),
        lambda b: _with_headers(b, sequence="0"),
        lambda b: _with_headers(b, sequence="01"),
        lambda b: _with_headers(b, sequence="-1"),
        lambda b: _with_headers(b, sequence="1000000000000"),
        lambda b: _with_headers(b, sequence="\u0661"),
        lambda b: _with_headers(b, publisherepoch=None),
        lambda b: _with_headers(b, publisherepoch="a b"),
    ),
    "PARTITION_WRONG": (_wrong_partition,),
    "PUBLISHER_MISMATCH": (
        _moved,
        _anothers_session,
        lambda b: _with_headers(b, source=f"/pharmacies/{OTHER_PHARMACY}"),
        lambda b: _with_headers(b, source="/registrar"),
    ),
    "SESSION_UNKNOWN": (
        lambda b: _with_headers(b, sessionid="A" * 32),
        _session_of_the_future,
    ),
    "SESSION_EXPIRED": (_expired, _key_withdrawn),
    "CONTRACT_NOT_VALID": (_contract_ended, _contract_for_registrations),
    "SEAL_BROKEN": (
        _truncated,
        _wrong_session_key,
        _session_for_a_lost_intake_key,
        lambda b: _raw(b, value=b"x"),
        lambda b: _raw(b, value=bytes(500)),
        lambda b: _with_headers(b, sequence="7"),
    ),
    "SEQUENCE_REUSED": (
        _after_registration(lambda b: b.submit(visit(line(2)), sequence=1)),
        _after_registration(lambda b: b.submit(visit(line(2)), sequence=1, id_=guid(2**96 + 1))),
    ),
    "ID_REUSED": (
        _after_registration(lambda b: b.submit(visit(line(2)), id_=guid(2**96 + 1))),
        _after_registration(lambda b: b.submit(visit(line(1)), id_=guid(2**96 + 1))),
    ),
    "BODY_MALFORMED": (
        lambda b: b.submit(b"{"),
        lambda b: b.submit(b"[]"),
        lambda b: b.submit(visit(delivered_at=5)),
        lambda b: b.submit(visit(delivered_at="9999-12-31T23:59:59-10:00")),
        lambda b: b.submit(visit(), CORRECT),
    ),
    "TOO_MANY_LINES": (lambda b: b.submit(visit(*(line(n) for n in range(1, 102)))),),
    "GUID_INVALID": (
        lambda b: b.submit(visit(sguid="x")),
        lambda b: b.submit(visit(line(dguid="x"))),
        lambda b: b.submit(visit(line(units=-1, returns="x"))),
        lambda b: b.submit({**revocation(), "dguid": "x"}, REVOKE),
        lambda b: b.submit({**revocation(), "sguid": "x"}, REVOKE),
    ),
    "NISS_INVALID": (
        lambda b: b.submit(visit(patient={"niss": "85000000139"})),
        lambda b: b.submit(revocation(patient={"niss": "85000000139"}), REVOKE),
    ),
    "DELIVERY_IN_FUTURE": (lambda b: b.submit(visit(delivered_at="2026-03-10T09:06:00Z")),),
    "DELIVERY_TOO_OLD": (lambda b: b.submit(visit(delivered_at="2025-03-01T09:00:00Z")),),
    "LATE_ARRIVAL": (lambda b: b.submit(visit(delivered_at="2025-12-01T09:00:00Z")),),
    "DGUID_REPEATED": (lambda b: b.submit(visit(line(1), line(1))),),
    "CNK_INVALID": (
        lambda b: b.submit(visit(line(product={"kind": "cnk", "cnk": "1439562"}))),
        lambda b: b.submit(visit(line(product={"kind": "cnk", "cnk": "0000000"}))),
    ),
    "COMPOUND_CNK_INVALID": (
        lambda b: b.submit(visit(line(product={"kind": "magistral", "formula_cnk": "1439562"}))),
    ),
    "UNITS_ZERO": (lambda b: b.submit(visit(line(units=0))),),
    "UNITS_IMPLAUSIBLE": (lambda b: b.submit(visit(line(units=9000))),),
    "RETURN_INVALID": (
        lambda b: b.submit(visit(line(units=-1))),
        lambda b: b.submit(visit(_RETURN)),
        _after_registration(lambda b: b.submit(visit(_RETURN, **_OTHER_PERSON))),
        _revoked_then(lambda b: b.submit(visit(_RETURN))),
        _after_registration(lambda b: b.submit(visit(_RETURN), pharmacy=OTHER_PHARMACY)),
    ),
    "PRESCRIBER_INVALID": (
        lambda b: b.submit(visit(line(prescription={"prescriber": "10000107001"}))),
    ),
    "RID_INVALID": (lambda b: b.submit(visit(line(prescription={"rid": "BEX"}))),),
    "DGUID_CONFLICT": (
        _after_registration(lambda b: b.submit(visit(line(1, units=2)))),
        _after_registration(lambda b: b.submit(visit(line(1), **_OTHER_PERSON))),
        _after_registration(
            lambda b: b.submit(visit(line(1), delivered_at="2026-03-10T08:55:01Z"))
        ),
        _corrected_then(lambda b: b.submit(visit(line(1)))),
    ),
    "LINE_UNKNOWN": (
        lambda b: b.correct(line(1, replaces=1)),
        lambda b: b.revoke(1, 1),
        _after_registration(
            lambda b: b.submit(visit(line(1, replaces=1)), CORRECT, pharmacy=OTHER_PHARMACY)
        ),
        _after_registration(lambda b: b.submit(revocation(), REVOKE, pharmacy=OTHER_PHARMACY)),
    ),
    "VERSION_STALE": (
        _after_registration(lambda b: b.correct(line(1, replaces=2))),
        _corrected_then(lambda b: b.correct(line(1, units=3, replaces=1))),
        _corrected_then(lambda b: b.revoke(1, 1)),
    ),
    "LINE_REVOKED": (
        _revoked_then(lambda b: b.submit(visit(line(1)))),
        _revoked_then(lambda b: b.correct(line(1, replaces=2))),
        _revoked_then(lambda b: b.revoke(1, 2)),
    ),
    "PATIENT_MISMATCH": (_after_registration(lambda b: b.revoke(1, 1, **_OTHER_PERSON)),),
    "LINE_ERASED": (
        _erased_then(lambda b: b.submit(visit(line(1)))),
        _erased_then(lambda b: b.correct(line(1, replaces=1))),
        _erased_then(lambda b: b.revoke(1, 1)),
        _erased_then(lambda b: b.submit(visit(line(1), **_OTHER_PERSON))),
        _erased_then(lambda b: b.submit(visit(line(1)), sequence=1, id_=guid(2**96 + 1))),
    ),
    "PERIOD_CLOSED": (
        _closed_then(lambda b: b.submit(visit(line(2)))),
        _closed_then(lambda b: b.revoke(1, 1)),
    ),
    "UNDECIDABLE": (_unreadable,),
}

GOOD: Final[tuple[Scenario, ...]] = (
    lambda b: b.submit(visit()),
    lambda b: b.submit(visit(sguid=guid(0xABC).upper())),
    lambda b: b.submit(visit(line(1), line(2), line(3))),
    lambda b: b.submit(visit(*(line(n) for n in range(1, 101)))),
    lambda b: b.submit(visit(novelty="unknown members are passed over")),
    lambda b: b.submit(visit(line(1), _RETURN)),
    _after_registration(lambda b: b.submit(visit(_RETURN))),
    _after_registration(lambda b: b.correct(line(1, units=2, replaces=1))),
    _after_registration(lambda b: b.correct(line(1, replaces=1), **_OTHER_PERSON)),
    _after_registration(lambda b: b.revoke(1, 1)),
    _corrected_then(lambda b: b.revoke(1, 2)),
    _after_registration(lambda b: b.submit(visit(line(1)), pharmacy=OTHER_PHARMACY)),
    _erased_then(lambda b: b.submit(visit(line(2)))),
    _closed_then(lambda b: b.correct(line(1, replaces=1), delivered_at="2026-03-09T08:00:00Z")),
)
