"""For every code of the catalogue: submissions that meet it, and a good twin that does not."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, Final

from infra.catalogue.memory import MemoryCatalogue
from schemas.catalogue import CatalogueEntry
from schemas.dispensation import CORRECT, REGISTER, REVOKE
from schemas.identifiers import niss
from schemas.publisher import ContractEnded, KeyWithdrawn
from streams.intake.session import WireRecord
from streams.quality.stage import QualityStage
from tests.support.quality_bench import (
    CATALOGUE,
    KNOWN_SINCE,
    NOW,
    OTHER_PATIENT,
    OTHER_PHARMACY,
    PATIENT,
    PHARMACY,
    Answer,
    Bench,
    finish,
    given_back,
    guid,
    line,
    revocation,
    visit,
)
from tests.support.state import entries

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
    for subject in {one.subject for one in entries(bench.state.lines).values()}:
        finish(bench.vault.destroy_subject(subject, 1, bench.now))


def _erased_then(then: Scenario) -> Scenario:
    def scenario(bench: Bench) -> Answer:
        _erase_patients(bench)
        return then(bench)

    return _after_registration(scenario)


def _closed_then(then: Scenario) -> Scenario:
    def scenario(bench: Bench) -> Answer:
        for one in entries(bench.state.lines).values():
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


_RETURN: Final = given_back(2, 1)
_BIG_LINE: Final = line(
    product={
        "kind": "magistral",
        "compounds": [
            {"order": order, "name": "x" * 120, "prefix": "y" * 60, "quantity": "5 g"}
            for order in range(1, 190)
        ],
        "galenic_form": "cream",
    }
)


def _return_of_a_return(bench: Bench) -> Answer:
    assert bench.submit(visit(given_back(2, 1))).receipt.outcome == "accepted"
    return bench.submit(visit(line(3, product=line(1)["product"], units=-1, returns=guid(2))))


def _known(bench: Bench, **changes: Any) -> Answer:
    """A product that the catalogue knows, and what it says of it."""
    product = CatalogueEntry("3000017", **{"valid_from": KNOWN_SINCE, **changes})
    catalogue = MemoryCatalogue({"sample/1": (*CATALOGUE, product)})
    bench.stage = QualityStage(bench.tables, bench.vault, catalogue, 1)
    return bench.submit(visit(line(product={"kind": "cnk", "cnk": product.cnk})))


def _of(product: dict[str, Any]) -> Scenario:
    return lambda bench: bench.submit(visit(line(product=product)))


def _magistral(*compounds: dict[str, Any], **more: Any) -> Scenario:
    made = [
        {"order": place, "cnk": "0525337", "quantity": "5 g", **changes}
        for place, changes in enumerate(compounds, start=1)
    ]
    kept = [{name: value for name, value in one.items() if value is not None} for one in made]
    product = {"kind": "magistral", "compounds": kept, "galenic_form": "cream", **more}
    return _of({name: value for name, value in product.items() if value is not None})


def _pack(**members: Any) -> Scenario:
    return lambda bench: bench.submit(visit(line(**members)))


def _takes(**members: Any) -> Scenario:
    regimen = {"quantity": "1", "unit": "tablet", "times_per_day": 2, **members}
    kept = {name: value for name, value in regimen.items() if value is not None}
    return lambda bench: bench.submit(visit(line(regimen=kept)))


def _returned_twice(bench: Bench) -> Answer:
    assert bench.submit(visit(given_back(2, 1))).receipt.outcome == "accepted"
    return bench.submit(visit(given_back(3, 1), delivered_at="2026-03-09T08:00:00Z"))


def _return_corrected_upwards(bench: Bench) -> Answer:
    assert bench.submit(visit(given_back(2, 1))).receipt.outcome == "accepted"
    return bench.correct(given_back(2, 1, -2, replaces=1))


def _delivery_corrected_below_its_returns(bench: Bench) -> Answer:
    assert bench.submit(visit(given_back(2, 1, -2))).receipt.outcome == "accepted"
    return bench.correct(line(1, units=1, replaces=2))


def _return_revoked_and_made_again(bench: Bench) -> Answer:
    assert bench.submit(visit(given_back(2, 1))).receipt.outcome == "accepted"
    assert bench.revoke(2, 1).receipt.outcome == "accepted"
    return bench.submit(visit(given_back(3, 1)))


def _return_corrected_downwards(bench: Bench) -> Answer:
    assert bench.submit(visit(given_back(2, 1, -2))).receipt.outcome == "accepted"
    assert bench.correct(given_back(2, 1, -1, replaces=1)).receipt.outcome == "accepted"
    return bench.submit(visit(given_back(3, 1)))


def _old_line_returned(bench: Bench) -> Answer:
    bench.submit(visit(line(1)))
    for one in entries(bench.state.lines).values():
        finish(bench.vault.destroy_period(one.period, bench.now))
    return bench.submit(visit(given_back(2, 1), delivered_at="2026-03-09T08:00:00Z"))


_OTHER_PERSON: Final = {"patient": {"niss": OTHER_PATIENT}}
DOCTOR: Final = "10000106001"
SCAN: Final = "]d20105412345000013" + "17281100" + "10AB12" + "\x1d" + "21XYZ9"
_FEMALE: Final = niss.with_check_digits("850000002", False)
_BORN: Final = niss.with_check_digits("850315001", False)
_FILTERED: Final = {"kind": "cnk", "cnk": "0005017"}

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
    "PATIENT_MISSING": (
        lambda b: b.submit(visit(patient=None)),
        lambda b: b.submit(visit(patient={})),
        lambda b: b.submit(visit(patient=[])),
        lambda b: b.submit(visit(patient={"niss": ""})),
        lambda b: b.submit({**revocation(), "patient": None}, REVOKE),
    ),
    "MULTIPLE_PATIENTS": (
        lambda b: b.submit(visit(patient=[{"niss": PATIENT}, {"niss": OTHER_PATIENT}])),
        lambda b: b.submit(visit(patients=[{"niss": PATIENT}, {"niss": OTHER_PATIENT}])),
        lambda b: b.submit(visit(line(1), line(2, **_OTHER_PERSON))),
    ),
    "NISS_NOT_ASSIGNED": (lambda b: b.submit(visit(patient={"niss": "00000000097"})),),
    "SEX_DOUBTFUL": (
        lambda b: b.submit(visit(patient={"niss": PATIENT, "sex": "female"})),
        lambda b: b.submit(visit(patient={"niss": _FEMALE, "sex": "male"})),
    ),
    "BIRTH_DATE_DOUBTFUL": (
        lambda b: b.submit(visit(patient={"niss": PATIENT, "birth_date": "15/03/1985"})),
        lambda b: b.submit(visit(patient={"niss": PATIENT, "birth_date": "1985-02-30"})),
        lambda b: b.submit(visit(patient={"niss": PATIENT, "birth_date": "2026-03-11"})),
        lambda b: b.submit(visit(patient={"niss": _BORN, "birth_date": "1985-03-16"})),
    ),
    "PRODUCT_FILTERED": (lambda b: b.submit(visit(line(1), line(2, product=_FILTERED))),),
    "CNK_UNKNOWN": (_of({"kind": "cnk", "cnk": "9000001"}),),
    "CNK_NOT_VALID_THEN": (
        lambda b: _known(b, valid_until=date(2026, 3, 9)),
        lambda b: _known(b, valid_from=date(2026, 3, 11)),
    ),
    "CNK_SUSPENDED": (lambda b: _known(b, status="suspended"),),
    "CNK_REVOKED": (lambda b: _known(b, status="revoked"),),
    "CNK_NOT_PUBLIC": (lambda b: _known(b, environments=("H",)),),
    "UNREGISTERED_DOUBTFUL": (
        _of({"kind": "unregistered", "description": "  "}),
        _of({"kind": "unregistered", "description": "5521-950"}),
    ),
    "MAGISTRAL_EMPTY": (
        _of({"kind": "magistral"}),
        _of({"kind": "magistral", "compounds": [], "galenic_form": "cream"}),
    ),
    "MAGISTRAL_AMBIGUOUS": (
        _magistral({}, text="the same in words"),
        _of({"kind": "magistral", "formula_cnk": "0589028", "text": "the same in words"}),
    ),
    "GALENIC_FORM_MISSING": (_magistral({}, galenic_form=None),),
    "COMPOUND_ORDER_DOUBTFUL": (
        _magistral({"order": 1}, {"order": 1}),
        _magistral({"order": 2}, {"order": 1}),
    ),
    "COMPOUND_UNNAMED": (
        _magistral({"cnk": None}),
        _magistral({"cnk": None, "name": "  "}),
    ),
    "COMPOUND_CNK_UNKNOWN": (
        _magistral({"cnk": "9000001"}),
        _of({"kind": "magistral", "formula_cnk": "9000001"}),
    ),
    "COMPOUND_QUANTITY_DOUBTFUL": (
        _magistral({"quantity": None}),
        _magistral({"quantity": None, "prefix": "ad"}),
        _magistral({"quantity": "some"}),
        _magistral({"quantity": "5"}),
    ),
    "PRESCRIBER_MISSING": (
        lambda b: b.submit(visit(line(prescription={}))),
        lambda b: b.submit(visit(line(prescription={"rid": "BEP012AB34CD"}))),
    ),
    "REGIMEN_DOUBTFUL": (
        _takes(quantity="0"),
        _takes(quantity="1/2"),
        _takes(times_per_day=None),
        _takes(moments=["morning"]),
        _takes(times_per_day=None, moments=["morning", "morning"]),
        _takes(times_per_day=None, moments=[]),
        _takes(begin="1 March"),
        _takes(end="2026-02-30"),
        _takes(begin="2026-03-10", end="2026-03-09"),
    ),
    "BATCH_DOUBTFUL": (_pack(batch="A" * 21), _pack(batch="lot 12"), _pack(batch="é")),
    "EXPIRY_INVALID": (_pack(expiry="11/2028"), _pack(expiry="2028-13"), _pack(expiry="281332")),
    "PRODUCT_EXPIRED": (
        _pack(expiry="2026-02"),
        _pack(expiry="2026-03-09"),
        _pack(expiry="260228"),
        _pack(scan=SCAN.replace("281100", "260200")),
    ),
    "GTIN_INVALID": (_pack(gtin="5412345000010"), _pack(gtin="x")),
    "SCAN_INVALID": (
        _pack(scan="(01)05412345000013"),
        _pack(scan="]E05412345000013"),
        _pack(scan=SCAN.replace("0013", "0014")),
        _pack(scan="5521950"),
        _pack(scan="21XYZ9"),
    ),
    "SCAN_DIFFERS": (
        _pack(scan=SCAN, batch="AB13"),
        _pack(scan=SCAN, expiry="2028-12"),
        _pack(scan=SCAN, gtin="5412345000020"),
    ),
    "PRODUCT_REPEATED": (
        lambda b: b.submit(visit(line(1), line(2, product=line(1)["product"]))),
        _after_registration(
            lambda b: b.submit(
                visit(line(2, product=line(1)["product"]), delivered_at="2026-03-10T08:55:59Z")
            )
        ),
    ),
    "RETURN_PRODUCT_DIFFERS": (
        _after_registration(lambda b: b.submit(visit(line(2, units=-1, returns=guid(1))))),
        _after_registration(
            lambda b: b.submit(
                visit(given_back(2, 1, product={"kind": "unregistered", "description": "tea"}))
            )
        ),
    ),
    "RETURN_TOO_MANY": (
        _after_registration(lambda b: b.submit(visit(given_back(2, 1, -2)))),
        _after_registration(lambda b: b.submit(visit(given_back(2, 1), given_back(3, 1)))),
        _after_registration(_returned_twice),
        _after_registration(_return_corrected_upwards),
        _corrected_then(_delivery_corrected_below_its_returns),
    ),
    "RETURN_NOT_COMPARED": (_old_line_returned,),
    "VISIT_MISMATCH": (_after_registration(lambda b: b.revoke(1, 1, sguid=guid(2**64 + 1))),),
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
        lambda b: b.submit(visit(line(units=1, returns=guid(2)))),
        lambda b: b.submit(visit(_RETURN)),
        _after_registration(_return_of_a_return),
        _after_registration(lambda b: b.submit(visit(_RETURN, **_OTHER_PERSON))),
        _revoked_then(lambda b: b.submit(visit(_RETURN))),
        _after_registration(lambda b: b.submit(visit(_RETURN), pharmacy=OTHER_PHARMACY)),
    ),
    "PRESCRIBER_INVALID": (
        lambda b: b.submit(visit(line(prescription={"prescriber": "10000107001"}))),
    ),
    "RID_INVALID": (
        lambda b: b.submit(visit(line(prescription={"prescriber": DOCTOR, "rid": "BEX"}))),
    ),
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
    lambda b: b.submit(visit(patient={"niss": PATIENT, "sex": "male", "birth_date": "1985-07-01"})),
    lambda b: b.submit(visit(patient={"niss": _BORN, "birth_date": "1985-03-15"})),
    lambda b: b.submit(visit(line(1, patient={"niss": PATIENT}))),
    lambda b: _known(b, status="authorized", environments=("H", "P")),
    _known,
    _of({"kind": "unregistered", "description": "Tisane calmante, 20 sachets"}),
    _of({"kind": "unregistered", "description": "1234567"}),
    _of({"kind": "magistral", "text": "as the doctor wrote"}),
    _of({"kind": "magistral", "formula_cnk": "0589028"}),
    _magistral({"quantity": "0,25 mg"}, {"prefix": "ad", "quantity": "100 g"}, {"cnk": "0552125"}),
    _magistral({"quantity": None, "prefix": "q.s."}, {"cnk": None, "name": "menthol"}),
    _takes(),
    _takes(quantity="0.5", times_per_day=None, moments=["morning", "bedtime"]),
    _takes(times_per_day=None, every_days=7, begin="2026-03-10", end="2026-03-10"),
    _takes(times_per_day=None, as_needed=True),
    _pack(batch="AB12", expiry="2028-11-30", gtin="05412345000013", scan=SCAN),
    _pack(batch="AB12", expiry="2028-11", gtin="5412345000013", scan=SCAN),
    _pack(expiry="281100"),
    _pack(expiry="2026-03-10"),
    _pack(expiry="2026-03"),
    _pack(scan=SCAN.removeprefix("]d2")),
    _pack(scan="\x1d" + SCAN.removeprefix("]d2")),
    _after_registration(
        lambda b: b.submit(
            visit(line(2, product=line(1)["product"]), delivered_at="2026-03-10T08:56:00Z")
        )
    ),
    _after_registration(
        lambda b: b.submit(visit(line(2, product=line(1)["product"]), **_OTHER_PERSON))
    ),
    _revoked_then(lambda b: b.submit(visit(line(2, product=line(1)["product"])))),
    _corrected_then(lambda b: b.submit(visit(given_back(2, 1), given_back(3, 1)))),
    _after_registration(_return_revoked_and_made_again),
    _corrected_then(_return_corrected_downwards),
)
