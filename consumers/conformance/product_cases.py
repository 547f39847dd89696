"""What was dispensed, on what prescription and from which pack."""

from typing import Final

from consumers.catalogue.sample import ENDED, HOSPITAL_ONLY, SUSPENDED, WITHDRAWN
from consumers.conformance.case import Answer, Case, Line, Step
from consumers.conformance.writing import (
    RECORDED,
    accepted,
    case,
    doubt,
    line,
    visit,
)
from consumers.simulation.wrong import (
    FILTERED_CNK,
    LINES,
    PREPARATIONS,
    PRESCRIBER,
    UNKNOWN_CNK,
    preparation,
)
from schemas.dispensation import REGISTER

_FILTERED: Final = Line("rejected", (("PRODUCT_FILTERED", "/lines/0/product/cnk"),))
_SCAN: Final = "]d20105412345000013" + "17401231" + "10B7" + "\x1d" + "21XYZ9"

FULL: Final = case(
    "visit-complete",
    "prescription, regimen, batch, expiry and the pack's barcode",
    accepted(
        visit(
            line(
                prescription={"prescriber": PRESCRIBER, "rid": "BEP1ABCDEFG0"},
                posology={"text": "1 tablet in the morning"},
                regimen={"quantity": "1", "unit": "tablet", "times_per_day": 1},
                batch="B7",
                expiry="2040-12-31",
                scan=_SCAN,
            )
        )
    ),
)
FILTER: Final[tuple[Case, ...]] = (
    case(
        "product-filtered",
        "a product that does not belong in the record is dropped, the others are recorded",
        Step(
            REGISTER,
            visit(line(1, product={"kind": "cnk", "cnk": FILTERED_CNK}), line(2)),
            Answer("partial", lines=(_FILTERED, RECORDED)),
        ),
    ),
    case(
        "products-all-filtered",
        "nothing of the submission belongs in the record",
        Step(
            REGISTER,
            visit(line(product={"kind": "cnk", "cnk": FILTERED_CNK})),
            Answer("rejected", (("ALL_LINES_FILTERED", "/lines"),), (_FILTERED,)),
        ),
    ),
)
CATALOGUE: Final[tuple[Case, ...]] = tuple(
    doubt(code, about, "/product/cnk", {"product": {"kind": "cnk", "cnk": cnk}})
    for code, about, cnk in (
        ("CNK_UNKNOWN", "a code that passes its check and is unknown", UNKNOWN_CNK),
        ("CNK_NOT_VALID_THEN", "a code that ended before the delivery", ENDED.cnk),
        ("CNK_SUSPENDED", "a suspended medicine", SUSPENDED.cnk),
        ("CNK_REVOKED", "a medicine that was withdrawn", WITHDRAWN.cnk),
        ("CNK_NOT_PUBLIC", "a pack for hospitals", HOSPITAL_ONLY.cnk),
    )
)
PREPARED: Final[tuple[Case, ...]] = tuple(
    doubt(code, about, f"/product{path}", {"product": preparation(PREPARATIONS[code])})
    for code, about, path in (
        ("MAGISTRAL_AMBIGUOUS", "ingredients, and a text too", ""),
        ("GALENIC_FORM_MISSING", "a preparation of no form", "/galenic_form"),
        ("COMPOUND_ORDER_DOUBTFUL", "two ingredients with one number", "/compounds/1/order"),
        ("COMPOUND_UNNAMED", "an ingredient without code and name", "/compounds/1"),
        ("COMPOUND_CNK_UNKNOWN", "an ingredient that nobody knows", "/compounds/1/cnk"),
        ("COMPOUND_QUANTITY_DOUBTFUL", "a quantity that is none", "/compounds/1/quantity"),
    )
)
DETAILS: Final[tuple[Case, ...]] = (
    case(
        "magistral-empty",
        "a preparation of nothing",
        Step(
            REGISTER,
            visit(line(**LINES["MAGISTRAL_EMPTY"])),
            Answer(
                "rejected",
                lines=(Line("rejected", (("MAGISTRAL_EMPTY", "/lines/0/product"),)),),
            ),
        ),
    ),
    *(
        doubt(code, about, path, LINES[code])
        for code, about, path in (
            ("UNREGISTERED_DOUBTFUL", "a product code in words", "/product/description"),
            ("PRESCRIBER_MISSING", "prescribed by nobody", "/prescription/prescriber"),
            (
                "PRESCRIBER_INVALID",
                "a number that fits neither check rule",
                "/prescription/prescriber",
            ),
            ("RID_INVALID", "an identifier that is none of Recip-e's", "/prescription/rid"),
            ("REGIMEN_DOUBTFUL", "nothing, twice a day", "/regimen/quantity"),
            ("PRODUCT_EXPIRED", "a pack past its expiry", "/expiry"),
            ("EXPIRY_INVALID", "an expiry that is no date", "/expiry"),
            ("BATCH_DOUBTFUL", "a batch number with a space", "/batch"),
            ("GTIN_INVALID", "a wrong check digit", "/gtin"),
            ("SCAN_INVALID", "a barcode that is not GS1's", "/scan"),
            ("SCAN_DIFFERS", "the barcode names another batch", "/batch"),
        )
    ),
)
PRODUCT_CASES: Final = (FULL, *FILTER, *CATALOGUE, *PREPARED, *DETAILS)
