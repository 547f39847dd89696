"""Each rule: bodies that it passes, and a `_bad` twin with where the fault lies."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from schemas.catalogue import CatalogueEntry
from schemas.dispensation import RegisterBody
from schemas.identifiers import nihdi, niss
from schemas.policy import QualityPolicy, baseline
from streams.quality import rules
from streams.quality.codes import CODES
from streams.quality.rules import Context, Known
from tests.support.quality_bench import CATALOGUE, CNK, KNOWN_SINCE, NOW, guid, line, visit

POLICY = baseline("quality").quality
FENTANYL, ANTICOAGULANT = "2218253", "0119065"
KNOWN_BAD_DIGIT, GONE, NOT_YET, SUSPENDED, REVOKED, HOSPITAL = (f"310000{n}" for n in range(6))
KNOWN = {one.cnk: (one,) for one in CATALOGUE} | {
    KNOWN_BAD_DIGIT: (CatalogueEntry(KNOWN_BAD_DIGIT, KNOWN_SINCE),),
    GONE: (CatalogueEntry(GONE, KNOWN_SINCE, date(2026, 3, 9)),),
    NOT_YET: (CatalogueEntry(NOT_YET, date(2026, 3, 11)),),
    SUSPENDED: (CatalogueEntry(SUSPENDED, KNOWN_SINCE, status="suspended"),),
    REVOKED: (CatalogueEntry(REVOKED, KNOWN_SINCE, status="revoked"),),
    HOSPITAL: (CatalogueEntry(HOSPITAL, KNOWN_SINCE, environments=("H",)),),
}


def context(
    *lines: Mapping[str, Any],
    policy: QualityPolicy = POLICY,
    known: Known | None = None,
    **changes: Any,
) -> Context:
    body = RegisterBody.read(json.dumps(visit(*lines, **changes)).encode())
    repeated = rules.repeated_lines(body.lines)
    return Context(body, policy, NOW, repeated, KNOWN if known is None else known, NOW.date())


def line_faults(code: str, *lines: Mapping[str, Any], **changes: Any) -> list[str]:
    """Where a code is found in the last line."""
    made = context(*lines, **changes)
    body = made.body
    assert isinstance(body, RegisterBody)
    last = len(body.lines) - 1
    found = [one for rule in rules.LINE_RULES for one in rule.find(made, body.lines[last], last)]
    return [path for name, path in found if name == code]


def message_faults(made: Context, code: str) -> list[str]:
    found = [one for rule in rules.MESSAGE_RULES for one in rule.find(made)]
    return [path for name, path in found if name == code]


def magistral(*cnks: str, **more: Any) -> dict[str, Any]:
    compounds = [{"order": place + 1, "cnk": cnk} for place, cnk in enumerate(cnks)]
    return {"kind": "magistral", "compounds": compounds, **more}


MAN = niss.with_check_digits("850315001", False)
WOMAN = niss.with_check_digits("850315002", False)
BORN_UNKNOWN = niss.with_check_digits("850000001", False)
NEWBORN = niss.with_check_digits("260310001", True)
COUNTER_999 = niss.with_check_digits("850000999", False)
UNKNOWN_BIRTH_2000 = niss.with_check_digits("000001001", True)
BIS_SEX_KNOWN = niss.with_check_digits("854000001", False)
BIS_SEX_UNKNOWN = niss.with_check_digits("852000001", False)
BORN_LATER = niss.with_check_digits("270000001", True)
NURSE_89 = "400001" + nihdi.check_digits("400001", modulus=89) + "001"
DOCTOR_97 = "100001" + nihdi.check_digits("100001") + "003"

MESSAGE_GOOD = [
    ("GUID_INVALID", {"sguid": "0F8FAD5B-D9CB-069F-0165-70867728950E"}),
    ("NISS_INVALID", {"patient": {"niss": "00000000097"}}),
    ("NISS_INVALID", {"patient": {"niss": "64110219106"}}),
    ("NISS_INVALID", {"patient": {"niss": UNKNOWN_BIRTH_2000}}),
    ("NISS_INVALID", {"patient": {"niss": BIS_SEX_KNOWN}}),
    ("NISS_INVALID", {"patient": {"niss": BIS_SEX_UNKNOWN}}),
    ("NISS_INVALID", {"patient": {"niss": "85.00.00-001.38"}}),
    ("DELIVERY_IN_FUTURE", {"delivered_at": "2026-03-10T09:05:00Z"}),
    ("DELIVERY_IN_FUTURE", {"delivered_at": "2026-03-10T10:05:00+01:00"}),
    ("DELIVERY_TOO_OLD", {"delivered_at": "2025-03-10T00:00:00+01:00"}),
    ("LATE_ARRIVAL", {"delivered_at": "2026-02-07T09:00:00Z"}),
    ("NISS_NOT_ASSIGNED", {"patient": {"niss": BIS_SEX_KNOWN}}),
    ("SEX_DOUBTFUL", {"patient": {"niss": MAN, "sex": "male"}}),
    ("SEX_DOUBTFUL", {"patient": {"niss": WOMAN, "sex": "female"}}),
    ("SEX_DOUBTFUL", {"patient": {"niss": WOMAN}}),
    # The number of a BIS issued while the sex was unknown tells none.
    ("SEX_DOUBTFUL", {"patient": {"niss": BIS_SEX_UNKNOWN, "sex": "female"}}),
    ("SEX_DOUBTFUL", {"patient": {"niss": "00000000097", "sex": "female"}}),
    ("BIRTH_DATE_DOUBTFUL", {"patient": {"niss": MAN, "birth_date": "1985-03-15"}}),
    ("BIRTH_DATE_DOUBTFUL", {"patient": {"niss": BORN_UNKNOWN, "birth_date": "1985-03-15"}}),
    ("BIRTH_DATE_DOUBTFUL", {"patient": {"niss": NEWBORN, "birth_date": "2026-03-10"}}),
    ("BIRTH_DATE_DOUBTFUL", {"patient": {"niss": MAN}}),
    # What is refused as too old is not called late as well.
    ("LATE_ARRIVAL", {"delivered_at": "2024-01-01T09:00:00Z"}),
]
MESSAGE_BAD = [
    ("GUID_INVALID", {"sguid": "0f8fad5bd9cb069f016570867728950e"}, "/sguid"),
    ("GUID_INVALID", {"sguid": "x"}, "/sguid"),
    ("NISS_INVALID", {"patient": {"niss": "79121137740"}}, "/patient/niss"),
    ("NISS_INVALID", {"patient": {"niss": "85000000139"}}, "/patient/niss"),
    ("NISS_INVALID", {"patient": {"niss": "8500000013"}}, "/patient/niss"),
    ("NISS_INVALID", {"patient": {"niss": "somebody"}}, "/patient/niss"),
    ("NISS_INVALID", {"patient": {"niss": BORN_LATER}}, "/patient/niss"),
    ("DELIVERY_IN_FUTURE", {"delivered_at": "2026-03-10T09:05:00.001Z"}, "/delivered_at"),
    ("DELIVERY_IN_FUTURE", {"delivered_at": "9999-12-31T23:59:59Z"}, "/delivered_at"),
    ("DELIVERY_TOO_OLD", {"delivered_at": "2025-03-09T23:59:59+01:00"}, "/delivered_at"),
    ("DELIVERY_TOO_OLD", {"delivered_at": "0001-01-01T00:00:00Z"}, "/delivered_at"),
    ("LATE_ARRIVAL", {"delivered_at": "2026-02-07T08:59:59Z"}, "/delivered_at"),
    ("NISS_NOT_ASSIGNED", {"patient": {"niss": "00000000097"}}, "/patient/niss"),
    ("NISS_NOT_ASSIGNED", {"patient": {"niss": COUNTER_999}}, "/patient/niss"),
    ("SEX_DOUBTFUL", {"patient": {"niss": MAN, "sex": "female"}}, "/patient/sex"),
    ("SEX_DOUBTFUL", {"patient": {"niss": WOMAN, "sex": "male"}}, "/patient/sex"),
    ("SEX_DOUBTFUL", {"patient": {"niss": BIS_SEX_KNOWN, "sex": "female"}}, "/patient/sex"),
    *(
        (
            "BIRTH_DATE_DOUBTFUL",
            {"patient": {"niss": MAN, "birth_date": day}},
            "/patient/birth_date",
        )
        for day in ("1985-03-16", "15-03-1985", "1985-02-29", "19850315", "2026-03-11", "x")
    ),
]


def product(code: str) -> dict[str, Any]:
    return line(product={"kind": "cnk", "cnk": code})


def free(text: str) -> dict[str, Any]:
    return line(product={"kind": "unregistered", "description": text})


def mixture(*compounds: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A preparation from ingredients; `order`, code and quantity are right unless changed."""
    made = [
        {"order": place, "cnk": "0525337", "quantity": "5 g", **changes}
        for place, changes in enumerate(compounds, start=1)
    ]
    kept = [{name: value for name, value in one.items() if value is not None} for one in made]
    whole = {"kind": "magistral", "compounds": kept, "galenic_form": "cream", **more}
    return line(product={name: value for name, value in whole.items() if value is not None})


def prescribed(**members: Any) -> dict[str, Any]:
    return line(prescription={"prescriber": DOCTOR_97, **members})


def regimen(**members: Any) -> dict[str, Any]:
    made = {"quantity": "1", "unit": "tablet", "times_per_day": 2, **members}
    return line(regimen={name: value for name, value in made.items() if value is not None})


SCAN = "]d20105412345000013" + "17281100" + "10AB12" + "\x1d" + "21XYZ9"
BARE = SCAN.removeprefix("]d2")

LINE_GOOD = [
    ("GUID_INVALID", line(dguid="0F8FAD5B-D9CB-069F-0165-70867728950E")),
    ("GUID_INVALID", line(units=-1, returns=guid(2))),
    ("PRODUCT_FILTERED", product("0010009")),
    ("PRODUCT_FILTERED", line(product={"kind": "magistral", "formula_cnk": "0005017"})),
    ("CNK_INVALID", product("5521950")),
    ("CNK_INVALID", product("0525337")),
    ("CNK_INVALID", product("5521-950")),
    ("CNK_INVALID", product(KNOWN_BAD_DIGIT)),
    ("CNK_INVALID", line(product=magistral("1439562"))),
    ("CNK_INVALID", free("herbal tea")),
    ("CNK_UNKNOWN", product("5521950")),
    ("CNK_UNKNOWN", product("1439562")),
    ("CNK_UNKNOWN", product("0005017")),
    ("CNK_NOT_VALID_THEN", product("5521950")),
    ("CNK_NOT_VALID_THEN", product("9000001")),
    ("CNK_SUSPENDED", product("5521950")),
    ("CNK_REVOKED", product("5521950")),
    ("CNK_NOT_PUBLIC", product("5521950")),
    ("CNK_NOT_PUBLIC", product(KNOWN_BAD_DIGIT)),
    ("UNREGISTERED_DOUBTFUL", free("herbal tea")),
    ("UNREGISTERED_DOUBTFUL", free("1234567")),
    ("MAGISTRAL_EMPTY", line(product={"kind": "magistral", "text": "as the doctor wrote"})),
    ("MAGISTRAL_EMPTY", line(product={"kind": "magistral", "formula_cnk": "0589028"})),
    ("MAGISTRAL_EMPTY", mixture({})),
    ("MAGISTRAL_EMPTY", free("herbal tea")),
    ("MAGISTRAL_AMBIGUOUS", mixture({})),
    ("MAGISTRAL_AMBIGUOUS", line(product={"kind": "magistral", "compounds": [], "text": "x"})),
    ("GALENIC_FORM_MISSING", mixture({})),
    ("GALENIC_FORM_MISSING", line(product={"kind": "magistral", "text": "x"})),
    ("COMPOUND_ORDER_DOUBTFUL", mixture({}, {}, {})),
    ("COMPOUND_ORDER_DOUBTFUL", mixture({"order": 2}, {"order": 7})),
    ("COMPOUND_UNNAMED", mixture({}, {"cnk": None, "name": "menthol"})),
    ("COMPOUND_CNK_INVALID", line(product=magistral("0525337", formula_cnk="0589028"))),
    ("COMPOUND_CNK_INVALID", line(product={"kind": "magistral", "text": "as the doctor wrote"})),
    ("COMPOUND_CNK_INVALID", product("1439562")),
    ("COMPOUND_CNK_UNKNOWN", mixture({})),
    ("COMPOUND_CNK_UNKNOWN", line(product={"kind": "magistral", "formula_cnk": "0589028"})),
    *(
        ("COMPOUND_QUANTITY_DOUBTFUL", mixture({"quantity": quantity}))
        for quantity in ("5 g", "5g", "0,25 mg", "1.5 million IU", "100 %", "10 µg", " 5 ml ")
    ),
    ("COMPOUND_QUANTITY_DOUBTFUL", mixture({"prefix": "ad", "quantity": "100 g"})),
    ("COMPOUND_QUANTITY_DOUBTFUL", mixture({"prefix": "Q.S.", "quantity": None})),
    ("UNITS_ZERO", line(units=1)),
    ("UNITS_ZERO", line(units=-1)),
    ("UNITS_IMPLAUSIBLE", line(units=200)),
    ("UNITS_IMPLAUSIBLE", line(units=-200)),
    ("UNITS_IMPLAUSIBLE", line(product={"kind": "cnk", "cnk": FENTANYL}, units=10)),
    ("UNITS_IMPLAUSIBLE", line(product={"kind": "cnk", "cnk": ANTICOAGULANT}, units=20)),
    ("RETURN_INVALID", line(units=1)),
    ("RETURN_INVALID", line(units=-1, returns=guid(2))),
    ("RETURN_INVALID", line(units=0, returns=guid(2))),
    ("PRESCRIBER_MISSING", line()),
    ("PRESCRIBER_MISSING", prescribed()),
    ("PRESCRIBER_INVALID", line()),
    ("PRESCRIBER_INVALID", line(prescription={})),
    ("PRESCRIBER_INVALID", prescribed()),
    ("PRESCRIBER_INVALID", prescribed(prescriber=NURSE_89)),
    ("PRESCRIBER_INVALID", prescribed(prescriber=DOCTOR_97[:8])),
    ("RID_INVALID", prescribed(rid="BEP012AB34CD")),
    ("RID_INVALID", prescribed()),
    ("REGIMEN_DOUBTFUL", line()),
    ("REGIMEN_DOUBTFUL", regimen()),
    ("REGIMEN_DOUBTFUL", regimen(quantity="0.25", unit="ml", route="oral")),
    ("REGIMEN_DOUBTFUL", regimen(moments=["morning", "evening"])),
    ("REGIMEN_DOUBTFUL", regimen(times_per_day=None, moments=["noon"])),
    ("REGIMEN_DOUBTFUL", regimen(times_per_day=None, every_days=7)),
    ("REGIMEN_DOUBTFUL", regimen(times_per_day=None, as_needed=True)),
    ("REGIMEN_DOUBTFUL", regimen(begin="2026-03-10", end="2026-03-10")),
    ("REGIMEN_DOUBTFUL", regimen(begin="2026-03-10")),
    ("BATCH_DOUBTFUL", line(batch="A-b/12.(3)_" + "x" * 9)),
    ("EXPIRY_INVALID", line(expiry="2028-02-29")),
    ("EXPIRY_INVALID", line(expiry="2028-11")),
    ("EXPIRY_INVALID", line(expiry="281100")),
    ("PRODUCT_EXPIRED", line(expiry="2026-03-10")),
    ("PRODUCT_EXPIRED", line(expiry="2026-03")),
    ("PRODUCT_EXPIRED", line(expiry="260300")),
    # What comes back may have expired meanwhile.
    ("PRODUCT_EXPIRED", line(units=-1, returns=guid(2), expiry="2020-01")),
    ("GTIN_INVALID", line(gtin="05412345000013")),
    ("GTIN_INVALID", line(gtin="5412345000013")),
    ("SCAN_INVALID", line(scan=SCAN)),
    ("SCAN_INVALID", line(scan=BARE)),
    ("SCAN_INVALID", line(scan="\x1d" + BARE + "\x1d")),
    ("SCAN_INVALID", line(scan="]C1" + BARE)),
    ("SCAN_INVALID", line(scan="10AB12")),
    ("SCAN_DIFFERS", line(scan=SCAN)),
    ("SCAN_DIFFERS", line(scan=SCAN, batch="AB12", expiry="2028-11", gtin="5412345000013")),
    ("SCAN_DIFFERS", line(scan="10AB12", expiry="2028-11", gtin="5412345000013")),
]
LINE_BAD = [
    ("GUID_INVALID", line(dguid="x"), "/dguid"),
    ("GUID_INVALID", line(units=-1, returns="x"), "/returns"),
    ("PRODUCT_FILTERED", product("0000018"), "/product/cnk"),
    ("PRODUCT_FILTERED", product("0009999"), "/product/cnk"),
    ("PRODUCT_FILTERED", product("0005-017"), "/product/cnk"),
    ("CNK_INVALID", product("1439562"), "/product/cnk"),
    ("CNK_INVALID", product("0000000"), "/product/cnk"),
    ("CNK_INVALID", product("552195"), "/product/cnk"),
    ("CNK_INVALID", product("aspirin"), "/product/cnk"),
    ("CNK_UNKNOWN", product("9000001"), "/product/cnk"),
    ("CNK_NOT_VALID_THEN", product(GONE), "/product/cnk"),
    ("CNK_NOT_VALID_THEN", product(NOT_YET), "/product/cnk"),
    ("CNK_SUSPENDED", product(SUSPENDED), "/product/cnk"),
    ("CNK_REVOKED", product(REVOKED), "/product/cnk"),
    ("CNK_NOT_PUBLIC", product(HOSPITAL), "/product/cnk"),
    ("UNREGISTERED_DOUBTFUL", free(" "), "/product/description"),
    ("UNREGISTERED_DOUBTFUL", free("5521950"), "/product/description"),
    ("UNREGISTERED_DOUBTFUL", free(KNOWN_BAD_DIGIT), "/product/description"),
    ("MAGISTRAL_EMPTY", line(product={"kind": "magistral"}), "/product"),
    ("MAGISTRAL_EMPTY", line(product={"kind": "magistral", "compounds": []}), "/product"),
    ("MAGISTRAL_AMBIGUOUS", mixture({}, formula_cnk="0589028"), "/product"),
    ("MAGISTRAL_AMBIGUOUS", mixture({}, text="the same in words"), "/product"),
    ("GALENIC_FORM_MISSING", mixture({}, galenic_form=None), "/product/galenic_form"),
    ("COMPOUND_ORDER_DOUBTFUL", mixture({}, {"order": 1}), "/product/compounds/1/order"),
    ("COMPOUND_ORDER_DOUBTFUL", mixture({"order": 9}, {"order": 8}), "/product/compounds/1/order"),
    ("COMPOUND_UNNAMED", mixture({}, {"cnk": None}), "/product/compounds/1"),
    ("COMPOUND_UNNAMED", mixture({"cnk": None, "name": " "}), "/product/compounds/0"),
    (
        "COMPOUND_CNK_INVALID",
        line(product=magistral("0525337", "1439562")),
        "/product/compounds/1/cnk",
    ),
    (
        "COMPOUND_CNK_INVALID",
        line(product=magistral(formula_cnk="0589027")),
        "/product/formula_cnk",
    ),
    ("COMPOUND_CNK_UNKNOWN", mixture({"cnk": "9000001"}), "/product/compounds/0/cnk"),
    (
        "COMPOUND_CNK_UNKNOWN",
        line(product={"kind": "magistral", "formula_cnk": "9000001"}),
        "/product/formula_cnk",
    ),
    *(
        (
            "COMPOUND_QUANTITY_DOUBTFUL",
            mixture({"quantity": quantity, "prefix": prefix}),
            "/product/compounds/0/quantity",
        )
        for quantity, prefix in [
            (None, None),
            (None, "ad"),
            ("5", None),
            ("some", None),
            ("g 5", None),
            ("-5 g", None),
            ("5,,2 g", None),
        ]
    ),
    ("UNITS_ZERO", line(units=0), "/units"),
    ("UNITS_IMPLAUSIBLE", line(units=201), "/units"),
    ("UNITS_IMPLAUSIBLE", line(units=-201), "/units"),
    ("UNITS_IMPLAUSIBLE", line(product={"kind": "cnk", "cnk": FENTANYL}, units=11), "/units"),
    ("UNITS_IMPLAUSIBLE", line(product={"kind": "cnk", "cnk": ANTICOAGULANT}, units=21), "/units"),
    ("RETURN_INVALID", line(units=-1), "/units"),
    ("RETURN_INVALID", line(units=1, returns=guid(2)), "/returns"),
    ("RETURN_INVALID", line(1, units=-1, returns=guid(1)), "/returns"),
    ("PRESCRIBER_MISSING", line(prescription={}), "/prescription/prescriber"),
    ("PRESCRIBER_INVALID", prescribed(prescriber="10000107001"), "/prescription/prescriber"),
    ("RID_INVALID", prescribed(rid="BEP012AB34CO"), "/prescription/rid"),
    ("REGIMEN_DOUBTFUL", regimen(quantity="0"), "/regimen/quantity"),
    ("REGIMEN_DOUBTFUL", regimen(quantity="0.0000"), "/regimen/quantity"),
    ("REGIMEN_DOUBTFUL", regimen(quantity="-1"), "/regimen/quantity"),
    ("REGIMEN_DOUBTFUL", regimen(quantity="1/2"), "/regimen/quantity"),
    ("REGIMEN_DOUBTFUL", regimen(times_per_day=None), "/regimen/times_per_day"),
    ("REGIMEN_DOUBTFUL", regimen(moments=["noon"]), "/regimen/moments"),
    ("REGIMEN_DOUBTFUL", regimen(moments=["noon", "noon"]), "/regimen/moments"),
    ("REGIMEN_DOUBTFUL", regimen(times_per_day=None, moments=[]), "/regimen/moments"),
    ("REGIMEN_DOUBTFUL", regimen(begin="10/03/2026"), "/regimen/begin"),
    ("REGIMEN_DOUBTFUL", regimen(end="2026-02-30"), "/regimen/end"),
    ("REGIMEN_DOUBTFUL", regimen(begin="2026-03-10", end="2026-03-09"), "/regimen/end"),
    ("BATCH_DOUBTFUL", line(batch="A" * 21), "/batch"),
    ("BATCH_DOUBTFUL", line(batch="AB 12"), "/batch"),
    ("BATCH_DOUBTFUL", line(batch="Ä1"), "/batch"),
    ("EXPIRY_INVALID", line(expiry="11/2028"), "/expiry"),
    ("EXPIRY_INVALID", line(expiry="2028-13"), "/expiry"),
    ("EXPIRY_INVALID", line(expiry="2027-02-29"), "/expiry"),
    ("EXPIRY_INVALID", line(expiry="0000-01"), "/expiry"),
    ("EXPIRY_INVALID", line(expiry="281332"), "/expiry"),
    ("EXPIRY_INVALID", line(expiry="280001"), "/expiry"),
    ("PRODUCT_EXPIRED", line(expiry="2026-03-09"), "/expiry"),
    ("PRODUCT_EXPIRED", line(expiry="2026-02"), "/expiry"),
    ("PRODUCT_EXPIRED", line(expiry="260309"), "/expiry"),
    ("PRODUCT_EXPIRED", line(scan=SCAN.replace("281100", "260200")), "/scan"),
    ("GTIN_INVALID", line(gtin="05412345000014"), "/gtin"),
    ("GTIN_INVALID", line(gtin="somewhat"), "/gtin"),
    ("SCAN_INVALID", line(scan="(01)05412345000013(10)AB12"), "/scan"),
    ("SCAN_INVALID", line(scan="]E05412345000013"), "/scan"),
    ("SCAN_INVALID", line(scan="5521950"), "/scan"),
    ("SCAN_INVALID", line(scan="0105412345000014"), "/scan"),
    ("SCAN_INVALID", line(scan="21XYZ9"), "/scan"),
    ("SCAN_INVALID", line(scan="\x1d"), "/scan"),
    ("SCAN_DIFFERS", line(scan=SCAN, batch="AB13"), "/batch"),
    ("SCAN_DIFFERS", line(scan=SCAN, expiry="2028-11-29"), "/expiry"),
    ("SCAN_DIFFERS", line(scan=SCAN, gtin="05412345000020"), "/gtin"),
]


@pytest.mark.parametrize(("code", "changes"), MESSAGE_GOOD)
def test_a_message_rule_passes_what_is_right(code: str, changes: dict[str, Any]) -> None:
    assert message_faults(context(**changes), code) == []


@pytest.mark.parametrize(("code", "changes", "path"), MESSAGE_BAD)
def test_a_message_rule_finds_the_fault_bad(code: str, changes: dict[str, Any], path: str) -> None:
    assert message_faults(context(**changes), code) == [path]


@pytest.mark.parametrize(("code", "one"), LINE_GOOD)
def test_a_line_rule_passes_what_is_right(code: str, one: dict[str, Any]) -> None:
    assert line_faults(code, one) == []


@pytest.mark.parametrize(("code", "one", "path"), LINE_BAD)
def test_a_line_rule_finds_the_fault_bad(code: str, one: dict[str, Any], path: str) -> None:
    assert line_faults(code, one) == [path]


def test_different_dguids_are_no_repetition() -> None:
    assert line_faults("DGUID_REPEATED", line(1), line(2)) == []


def test_the_later_of_two_lines_with_one_dguid_is_the_repetition_bad() -> None:
    upper = line(dguid=guid(0xABC).upper())
    assert line_faults("DGUID_REPEATED", line(0xABC)) == []
    assert line_faults("DGUID_REPEATED", line(0xABC), upper) == ["/dguid"]


def test_every_rule_has_good_and_bad_cases() -> None:
    good = {code for code, *_ in (*MESSAGE_GOOD, *LINE_GOOD)}
    bad = {code for code, *_ in (*MESSAGE_BAD, *LINE_BAD)}
    codes = {code for rule in (*rules.MESSAGE_RULES, *rules.LINE_RULES) for code in rule.codes}
    assert good == bad == codes - {"DGUID_REPEATED"}
    assert codes <= CODES.keys()


@pytest.mark.parametrize(
    ("appended_at", "oldest"),
    [
        # The horizon is the start of a Belgian day, whatever the season on either side.
        (datetime(2026, 3, 10, 9, tzinfo=UTC), datetime(2025, 3, 9, 23, tzinfo=UTC)),
        (datetime(2026, 7, 1, 9, tzinfo=UTC), datetime(2025, 6, 30, 22, tzinfo=UTC)),
        # 23:30 in UTC is the next day in Belgium.
        (datetime(2026, 3, 10, 23, 30, tzinfo=UTC), datetime(2025, 3, 10, 23, tzinfo=UTC)),
        # A leap day looks back to the end of February.
        (datetime(2024, 2, 29, 9, tzinfo=UTC), datetime(2023, 2, 27, 23, tzinfo=UTC)),
    ],
)
def test_retention_counts_calendar_months_in_belgium(
    appended_at: datetime, oldest: datetime
) -> None:
    def too_old(moment: datetime) -> list[str]:
        made = context(delivered_at=moment.isoformat())
        return message_faults(made._replace(appended_at=appended_at), "DELIVERY_TOO_OLD")

    assert too_old(oldest) == []
    assert too_old(oldest - timedelta(microseconds=1)) == ["/delivered_at"]


def test_the_score_falls_by_each_distinct_warning_and_never_below_zero() -> None:
    assert rules.score([], POLICY) == 100
    assert rules.score(["RID_INVALID"], POLICY) == 90
    assert rules.score(["RID_INVALID", "RID_INVALID"], POLICY) == 90
    assert rules.score(["UNITS_IMPLAUSIBLE", "RID_INVALID"], POLICY) == 60
    heavy = POLICY.model_copy(update={"penalties": {"RID_INVALID": 80, "LATE_ARRIVAL": 80}})
    assert rules.score(["RID_INVALID", "LATE_ARRIVAL"], heavy) == 0


def test_the_sample_product_code_is_one() -> None:
    assert line_faults("CNK_INVALID", line(product={"kind": "cnk", "cnk": CNK})) == []
