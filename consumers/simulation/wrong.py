"""Lines that meet one code each: for the simulated year, and for the conformance kit.

What is given is changed in a line that is in order. Products are those of the shipped sample.
"""

from collections.abc import Mapping
from typing import Any, Final

Change = Mapping[str, Any]

PRESCRIBER: Final = "10000106001"
"""A physician's NIHDI number, which is right."""
BAD_PRESCRIBER: Final = "10000107001"
"""A NIHDI number whose check digits fit neither rule."""
BAD_RID: Final = "BEP012ABOI"
"""No Recip-e identifier."""
FILTERED_CNK: Final = "0005017"
"""A code in a black range of the filter that ships with the code."""
UNKNOWN_CNK: Final = "9000001"
"""Its check digit is right, and the catalogue does not know it."""


def preparation(change: Change) -> dict[str, Any]:
    """A preparation of two ingredients with a change; its member `second` is of the second one."""
    first = {"order": 1, "cnk": "0525337", "quantity": "5 g"}
    second = {"order": 2, "cnk": "0552125", "quantity": "95 g", **change.get("second", {})}
    made = {
        "kind": "magistral",
        "compounds": (first, second),
        "galenic_form": "cream",
        **{name: value for name, value in change.items() if name != "second"},
    }
    return {name: value for name, value in made.items() if value is not None}


PREPARATIONS: Final[Mapping[str, Change]] = {
    "MAGISTRAL_AMBIGUOUS": {"text": "the same in words"},
    "GALENIC_FORM_MISSING": {"galenic_form": None},
    "COMPOUND_ORDER_DOUBTFUL": {"second": {"order": 1}},
    "COMPOUND_UNNAMED": {"second": {"cnk": None}},
    "COMPOUND_CNK_UNKNOWN": {"second": {"cnk": UNKNOWN_CNK}},
    "COMPOUND_QUANTITY_DOUBTFUL": {"second": {"quantity": "some"}},
}
"""Changes of `preparation`, all of which are recorded with a warning."""
LINES: Final[Mapping[str, Change]] = {
    "MAGISTRAL_EMPTY": {"product": {"kind": "magistral"}},
    "UNREGISTERED_DOUBTFUL": {"product": {"kind": "unregistered", "description": "1484229"}},
    "PRESCRIBER_MISSING": {"prescription": {"on_substance_name": False}},
    "PRESCRIBER_INVALID": {
        "prescription": {"prescriber": BAD_PRESCRIBER, "on_substance_name": False}
    },
    "RID_INVALID": {"prescription": {"prescriber": PRESCRIBER, "rid": BAD_RID}},
    "REGIMEN_DOUBTFUL": {"regimen": {"quantity": "0", "unit": "tablet", "times_per_day": 2}},
    "PRODUCT_EXPIRED": {"expiry": "2019-12"},
    "EXPIRY_INVALID": {"expiry": "12/2040"},
    "BATCH_DOUBTFUL": {"batch": "lot 12"},
    "GTIN_INVALID": {"gtin": "5412345000014"},
    "SCAN_INVALID": {"scan": "541234500001"},
    "SCAN_DIFFERS": {"batch": "B8", "scan": "]d201054123450000131740123110B7"},
}
"""Changes of a line by the code that it meets."""
