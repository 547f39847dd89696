"""Several faults of one line or message: all are found, each once, in a fixed order."""

from datetime import date, timedelta
from typing import Any

import pytest

from schemas.catalogue import CatalogueEntry
from schemas.dispensation import RegisterBody
from schemas.identifiers import niss
from schemas.policy import CodeFilter, ProductFilter
from streams.quality import rules
from streams.quality.rules import Context, Finding
from tests.support.quality_bench import line
from tests.unit.streams.quality.test_rules import MAN, POLICY, context

WOMAN_999 = niss.with_check_digits("850315999", False)


def found(given: Context) -> list[Finding]:
    """Everything that the rules about lines find in the only line."""
    body = given.body
    assert isinstance(body, RegisterBody)
    return [one for rule in rules.LINE_RULES for one in rule.find(given, body.lines[0], 0)]


def regimen(**members: Any) -> dict[str, Any]:
    return line(regimen={"quantity": "1", "unit": "tablet", "times_per_day": 1, **members})


@pytest.mark.parametrize(
    ("submitted", "faults"),
    [
        (
            line(dguid="x", units=-1, returns="y"),
            [("GUID_INVALID", "/dguid"), ("GUID_INVALID", "/returns")],
        ),
        (
            regimen(begin="x", end="y"),
            [("REGIMEN_DOUBTFUL", "/regimen/begin"), ("REGIMEN_DOUBTFUL", "/regimen/end")],
        ),
        (
            regimen(quantity="0", times_per_day=None, begin="2026-03-10", end="2026-03-09"),
            [
                ("REGIMEN_DOUBTFUL", "/regimen/quantity"),
                ("REGIMEN_DOUBTFUL", "/regimen/times_per_day"),
                ("REGIMEN_DOUBTFUL", "/regimen/end"),
            ],
        ),
        (
            line(batch="é", expiry="x", gtin="1", scan="nothing"),
            [
                ("BATCH_DOUBTFUL", "/batch"),
                ("EXPIRY_INVALID", "/expiry"),
                ("GTIN_INVALID", "/gtin"),
                ("SCAN_INVALID", "/scan"),
            ],
        ),
        (
            line(units=0, expiry="2020-01-31"),
            [("UNITS_ZERO", "/units"), ("PRODUCT_EXPIRED", "/expiry")],
        ),
        (
            line(prescription={"rid": "x"}),
            [
                ("PRESCRIBER_MISSING", "/prescription/prescriber"),
                ("RID_INVALID", "/prescription/rid"),
            ],
        ),
        (
            line(prescription={"prescriber": "x", "rid": "x"}),
            [
                ("PRESCRIBER_INVALID", "/prescription/prescriber"),
                ("RID_INVALID", "/prescription/rid"),
            ],
        ),
        (
            line(product={"kind": "magistral", "compounds": [{"order": 2}, {"order": 1}]}),
            [
                ("GALENIC_FORM_MISSING", "/product/galenic_form"),
                ("COMPOUND_ORDER_DOUBTFUL", "/product/compounds/1/order"),
                ("COMPOUND_UNNAMED", "/product/compounds/0"),
                ("COMPOUND_QUANTITY_DOUBTFUL", "/product/compounds/0/quantity"),
                ("COMPOUND_UNNAMED", "/product/compounds/1"),
                ("COMPOUND_QUANTITY_DOUBTFUL", "/product/compounds/1/quantity"),
            ],
        ),
        (
            line(
                product={
                    "kind": "magistral",
                    "compounds": [{"order": 1, "cnk": "1439562"}],
                    "formula_cnk": "1439562",
                }
            ),
            [
                ("MAGISTRAL_AMBIGUOUS", "/product"),
                ("COMPOUND_CNK_INVALID", "/product/compounds/0/cnk"),
                ("COMPOUND_QUANTITY_DOUBTFUL", "/product/compounds/0/quantity"),
                ("COMPOUND_CNK_INVALID", "/product/formula_cnk"),
            ],
        ),
    ],
)
def test_all_faults_of_a_line_are_found_in_order(
    submitted: dict[str, Any], faults: list[Finding]
) -> None:
    assert found(context(submitted)) == faults


@pytest.mark.parametrize(
    ("niss", "faults"),
    [
        (WOMAN_999, [("NISS_NOT_ASSIGNED", "/patient/niss")]),
        (MAN, [("SEX_DOUBTFUL", "/patient/sex")]),
    ],
)
def test_all_faults_of_a_message_are_found_in_order(niss: str, faults: list[Finding]) -> None:
    patient = {"niss": niss, "birth_date": "1985-03-16", "sex": "female"}
    given = context(line(), sguid="x", patient=patient)
    findings = [one for rule in rules.MESSAGE_RULES for one in rule.find(given)]
    wanted = [("GUID_INVALID", "/sguid"), ("BIRTH_DATE_DOUBTFUL", "/patient/birth_date"), *faults]
    assert sorted(findings) == sorted(wanted)
    assert findings[0] == wanted[0]


@pytest.mark.parametrize(
    ("formula", "faults"),
    [("5521950", [("PRODUCT_FILTERED", "/product/formula_cnk")]), ("0525337", []), (None, [])],
)
def test_formulas_that_the_filter_of_preparations_removes(
    formula: str | None, faults: list[Finding]
) -> None:
    sieve = ProductFilter(preparations=CodeFilter(black=("5521950",)))
    policy = POLICY.model_copy(update={"product_filter": sieve})
    product = {"kind": "magistral", "formula_cnk": formula}
    if formula is None:
        product = {"kind": "magistral", "text": "as written"}
    assert found(context(line(product=product), policy=policy)) == faults


def test_without_a_filter_no_formula_is_removed() -> None:
    policy = POLICY.model_copy(update={"product_filter": None})
    product = {"kind": "magistral", "formula_cnk": "5521950"}
    assert found(context(line(product=product), policy=policy)) == []


def test_a_code_is_judged_by_its_entry_of_the_delivery_day_and_by_all_of_it() -> None:
    code, later = "3100007", date(2026, 4, 1)
    now = CatalogueEntry(
        code, date(2020, 1, 1), later - timedelta(days=1), status="suspended", environments=("H",)
    )
    given = context(
        line(product={"kind": "cnk", "cnk": code}),
        known={code: (now, CatalogueEntry(code, later))},
    )
    assert found(given) == [("CNK_SUSPENDED", "/product/cnk"), ("CNK_NOT_PUBLIC", "/product/cnk")]


@pytest.mark.parametrize(
    ("code", "faults"),
    [("9000001", []), ("1439562", [("CNK_INVALID", "/product/cnk")])],
)
def test_where_the_policy_names_no_catalogue_the_check_digit_alone_counts(
    code: str, faults: list[Finding]
) -> None:
    given = context(line(product={"kind": "cnk", "cnk": code}))
    assert found(given._replace(known=None)) == faults
