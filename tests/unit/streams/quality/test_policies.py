"""What a policy version decides: codes that may be found, the catalogue, the filter, the order."""

import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.catalogue.memory import MemoryCatalogue
from schemas.catalogue import CatalogueEntry, CatalogueUnavailable
from schemas.policy import CodeFilter, CodeRange, PolicyVersion, QualityPolicy, baseline, shipped
from streams.quality import codes
from streams.quality.stage import QualityStage
from tests.support.quality_bench import (
    CATALOGUE,
    CNKS,
    NOW,
    Answer,
    Bench,
    given_back,
    guid,
    line,
    visit,
)

FIRST, SECOND = shipped("quality")


class Asked(MemoryCatalogue):
    """Counts how often it is asked, and for what."""

    def __init__(self, *versions: str) -> None:
        super().__init__(dict.fromkeys(versions, CATALOGUE))
        self.asked: list[tuple[str, frozenset[str]]] = []

    async def entries(
        self, version: str, cnks: Collection[str]
    ) -> Mapping[str, tuple[CatalogueEntry, ...]]:
        self.asked.append((version, frozenset(cnks)))
        return await super().entries(version, cnks)


def bench_with(catalogue: MemoryCatalogue, *policies: PolicyVersion) -> Bench:
    bench = Bench()
    bench.stage = QualityStage(bench.tables, bench.vault, catalogue, 1)
    bench.tables.policies = list(policies or (SECOND,))
    return bench


def with_data(number: int = 3, **data: Any) -> PolicyVersion:
    changed = SECOND.quality.model_copy(update=data)
    return SECOND.model_copy(update={"version": f"quality/{number}", "data": changed})


def product(code: str) -> dict[str, Any]:
    return line(product={"kind": "cnk", "cnk": code})


def test_versions_that_ship_follow_each_other_and_name_codes_that_exist() -> None:
    assert [one.version for one in shipped("quality")] == ["quality/1", "quality/2"]
    assert FIRST.valid_from < SECOND.valid_from
    assert baseline("quality") == SECOND
    for one in shipped("quality"):
        assert list(codes.policy_faults(one.quality)) == []


def test_the_catalogue_is_asked_once_for_all_codes_of_a_batch() -> None:
    asked = Asked("sample/1")
    bench = bench_with(asked)
    bodies = [visit(line(1), line(2)), visit(line(2), product("9000001"), sguid=guid(7))]
    bench.run([bench.received(bench.wire(body)) for body in bodies])
    assert asked.asked == [("sample/1", frozenset({CNKS[0], CNKS[1], "9000001"}))]


def test_the_policy_of_the_append_time_names_the_catalogue() -> None:
    asked = Asked("sample/1", "sam/2026-03-10")
    later = with_data(catalogue="sam/2026-03-10").model_copy(
        update={"valid_from": NOW + timedelta(minutes=10)}
    )
    bench = bench_with(asked, SECOND, later)
    batch = [
        bench.received(bench.wire(visit(line(1)))),
        bench.received(bench.wire(visit(line(2))), appended_at=NOW + timedelta(minutes=10)),
    ]
    bench.run(batch)
    assert sorted(version for version, _ in asked.asked) == ["sam/2026-03-10", "sample/1"]


def test_a_catalogue_that_is_not_there_refuses_nothing_and_stops_the_batch_bad() -> None:
    bench = bench_with(Asked("sample/1"), with_data(catalogue="sam/never"))
    with pytest.raises(CatalogueUnavailable, match="sam/never"):
        bench.submit(visit())


UNDER_THE_FIRST = [
    visit(product("9000001")),
    visit(product("0005017")),
    visit(line(1), line(2, product=line(1)["product"])),
    visit(line(1, prescription={})),
    visit(line(1, expiry="whenever", batch="x" * 30)),
    visit(line(product={"kind": "magistral"})),
    visit(patient={"niss": "00000000097", "sex": "male", "birth_date": "x"}),
]


@pytest.mark.parametrize("body", UNDER_THE_FIRST)
def test_under_the_first_version_no_later_code_is_found(body: dict[str, Any]) -> None:
    asked = Asked()
    answer = bench_with(asked, FIRST).submit(body)
    assert (answer.codes, answer.receipt.outcome) == ([], "accepted")
    assert asked.asked == []


@pytest.mark.parametrize("body", UNDER_THE_FIRST)
def test_under_the_second_version_the_same_is_found_bad(body: dict[str, Any]) -> None:
    assert bench_with(Asked("sample/1")).submit(body).codes != []


def test_under_the_first_version_returns_and_visits_are_not_compared() -> None:
    bench = bench_with(Asked(), FIRST)
    bench.submit(visit(line(1)))
    assert bench.submit(visit(given_back(2, 1, -9))).codes == []
    assert bench.revoke(1, 1, sguid=guid(7)).codes == []
    assert bench.submit(visit(patient=None)).findings == [("BODY_MALFORMED", "/patient")]


@pytest.mark.parametrize(
    "code", sorted(code for code, one in codes.CODES.items() if one.adjustable)
)
def test_a_severity_that_policy_sets_holds(code: str) -> None:
    turned = "warn" if codes.CODES[code].severity == "reject" else "reject"
    policy = with_data(severities={code: turned}).quality
    assert codes.issue(code, policy=policy).severity == turned


def test_a_product_that_no_catalogue_knows_is_refused_where_policy_says_so() -> None:
    stern = with_data(severities={"CNK_UNKNOWN": "reject", "PRODUCT_REPEATED": "reject"})
    bench = bench_with(Asked("sample/1"), stern)
    unknown = bench.submit(visit(product("9000001")))
    twice = bench.submit(visit(line(1), line(2, product=line(1)["product"])))
    assert unknown.receipt.outcome == "rejected"
    assert [one.outcome for one in twice.receipt.lines] == ["recorded", "rejected"]


def test_policy_may_word_a_code_anew() -> None:
    wording = {"fr": "F.", "nl": "N.", "de": "D.", "en": "E."}
    data = json.loads(SECOND.write())["data"] | {"texts": {"UNITS_ZERO": wording}}
    policy = QualityPolicy.model_validate_json(json.dumps(data))
    assert codes.texts("UNITS_ZERO", policy)._asdict() == wording
    assert codes.texts("RID_INVALID", policy) == codes.CODES["RID_INVALID"].texts


def filter_of(precedence: str) -> CodeFilter:
    both = {"white": ("1000003",), "black": ("1000003", "1000004"), "precedence": precedence}
    return CodeFilter.model_validate(
        {
            **both,
            "white_ranges": (CodeRange(first="2000000", last="2000009"),),
            "black_ranges": (CodeRange(first="2000005", last="2999999"),),
        }
    )


@pytest.mark.parametrize(
    ("code", "white_first", "black_first"),
    [
        ("1000002", False, False),
        ("1000003", False, True),
        ("1000004", True, True),
        ("2000004", False, False),
        ("2000005", False, True),
        ("2000009", False, True),
        ("2000010", True, True),
        ("2999999", True, True),
        ("3000000", False, False),
    ],
)
def test_precedence_decides_of_a_code_that_is_black_and_white(
    code: str, white_first: bool, black_first: bool
) -> None:
    assert filter_of("white").removes(code) is white_first
    assert filter_of("black").removes(code) is black_first


@pytest.mark.parametrize(
    ("cnk", "atc", "limit"),
    [
        ("1000003", "N02AB03", 7),
        ("1000004", "N02AB03", 9),
        ("1000004", "N02AA01", 30),
        ("1000004", "N05BA01", 50),
        ("1000004", "C09CA08", 200),
        ("1000004", "", 200),
    ],
)
def test_the_limit_nearest_to_the_product_holds(cnk: str, atc: str, limit: int) -> None:
    by_atc = {"N02AB03": 9, "N02A": 30, "N": 50}
    policy = with_data(units_max_by_cnk={"1000003": 7}, units_max_by_atc=by_atc).quality
    assert policy.units_limit(cnk, atc) == limit


def test_a_preparation_is_filtered_by_the_list_of_preparations() -> None:
    sieve = SECOND.quality.product_filter
    assert sieve is not None
    blocking = sieve.model_copy(update={"preparations": CodeFilter(black=("0589028",))})
    bench = bench_with(Asked("sample/1"), with_data(product_filter=blocking))
    formula = line(2, product={"kind": "magistral", "formula_cnk": "0589028"})
    answer = bench.submit(visit(line(1), formula))
    assert answer.findings == [("PRODUCT_FILTERED", "/lines/1/product/formula_cnk")]
    assert answer.receipt.outcome == "partial"


def test_every_fault_of_a_submission_is_told_at_once_in_the_order_of_the_tables() -> None:
    answer = everything_wrong(Bench())
    assert answer.findings == [
        ("GUID_INVALID", "/sguid"),
        ("NISS_NOT_ASSIGNED", "/patient/niss"),
        ("BIRTH_DATE_DOUBTFUL", "/patient/birth_date"),
        ("LATE_ARRIVAL", "/delivered_at"),
        ("CNK_INVALID", "/lines/0/product/cnk"),
        ("UNITS_ZERO", "/lines/0/units"),
        ("PRESCRIBER_INVALID", "/lines/0/prescription/prescriber"),
        ("RID_INVALID", "/lines/0/prescription/rid"),
        ("REGIMEN_DOUBTFUL", "/lines/0/regimen/quantity"),
        ("REGIMEN_DOUBTFUL", "/lines/0/regimen/end"),
        ("BATCH_DOUBTFUL", "/lines/0/batch"),
        ("EXPIRY_INVALID", "/lines/0/expiry"),
        ("GTIN_INVALID", "/lines/0/gtin"),
        ("SCAN_INVALID", "/lines/0/scan"),
        ("DGUID_REPEATED", "/lines/1/dguid"),
        ("COMPOUND_ORDER_DOUBTFUL", "/lines/1/product/compounds/1/order"),
        ("COMPOUND_CNK_INVALID", "/lines/1/product/compounds/0/cnk"),
        ("COMPOUND_QUANTITY_DOUBTFUL", "/lines/1/product/compounds/0/quantity"),
        ("COMPOUND_UNNAMED", "/lines/1/product/compounds/1"),
        ("COMPOUND_QUANTITY_DOUBTFUL", "/lines/1/product/compounds/1/quantity"),
    ]
    assert answer.findings == everything_wrong(Bench()).findings


def everything_wrong(bench: Bench) -> Answer:
    compounds = [{"order": 2, "cnk": "1439562"}, {"order": 1}]
    mixed = {"kind": "magistral", "compounds": compounds, "galenic_form": "cream"}
    bad = line(
        product={"kind": "cnk", "cnk": "1439562"},
        units=0,
        prescription={"prescriber": "1", "rid": "1"},
        regimen={"quantity": "0", "unit": "ml", "as_needed": True, "end": "soon"},
        batch="a b",
        expiry="soon",
        gtin="1",
        scan="1",
    )
    patient = {"niss": "00000000097", "birth_date": "x"}
    moment = datetime(2025, 12, 1, 9, tzinfo=UTC).isoformat()
    body = visit(bad, line(1, product=mixed), patient=patient, sguid="x", delivered_at=moment)
    return bench.submit(body)
