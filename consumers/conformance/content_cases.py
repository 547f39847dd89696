"""What a submission says: accepted forms, faults of the message, faults of a line."""

from typing import Final

from consumers.conformance.case import Answer, Case, Line, Step
from consumers.conformance.writing import (
    RECORDED,
    REJECTED,
    accepted,
    case,
    doubtful_line,
    line,
    refused,
    refused_line,
    unread,
    visit,
)
from consumers.simulation import damage
from consumers.simulation.wrong import BAD_RID, PRESCRIBER
from consumers.vendors.testers import BIS_PERSON, CHILD, UNASSIGNED, WOMAN
from schemas.dispensation import MAX_LINES, REGISTER

BAD_CNK: Final = "1439562"
"""Its check digit is wrong, and no catalogue knows it."""
BAD_NISS: Final = "85000090112"
_LARGE: Final = {
    "kind": "magistral",
    "galenic_form": "cream",
    "compounds": [
        {"order": place, "name": "x" * 120, "prefix": "x" * 120, "quantity": "1 g"}
        for place in range(1, 146)
    ],
}
"""More than fits into a fact, and less than a submission may have."""

ACCEPTED: Final[tuple[Case, ...]] = (
    case("visit", "one line of a medicine", accepted(visit())),
    case(
        "visit-kinds",
        "a medicine, a preparation in words, and a product without a code",
        accepted(
            visit(
                line(1),
                line(
                    2,
                    product={
                        "kind": "magistral",
                        "text": "urea 10 % in cetomacrogol cream",
                        "galenic_form": "cream",
                        "quantity": "100 g",
                    },
                ),
                line(3, product={"kind": "unregistered", "description": "compression stocking"}),
            ),
            lines=3,
        ),
    ),
    case(
        "visit-born-since-2000",
        "a person born in this century has other check digits",
        accepted(visit(patient={"niss": CHILD})),
    ),
    case(
        "visit-bis",
        "a person with a BIS number",
        accepted(visit(patient={"niss": BIS_PERSON})),
    ),
    case(
        "visit-guids-in-capitals",
        "identifiers are compared in any case",
        accepted(visit(line(dguid="{GUID 1}"), sguid="{GUID 0}")),
        Step(REGISTER, visit(), Answer("duplicate", lines=(Line("duplicate"),))),
    ),
    case(
        "visit-unknown-members",
        "members of a newer version are passed over",
        accepted(visit(line(shelf="B2"), till=4)),
    ),
    case(
        "visit-full",
        "as many lines as a submission may have",
        accepted(
            visit(
                *(
                    line(n, product={"kind": "unregistered", "description": f"dressing {n}"})
                    for n in range(1, MAX_LINES + 1)
                )
            ),
            lines=MAX_LINES,
        ),
    ),
)

MESSAGE: Final[tuple[Case, ...]] = (
    case(
        "niss-check-digits",
        "a digit of the patient's number was mistyped",
        refused(visit(patient={"niss": BAD_NISS}), ("NISS_INVALID", "/patient/niss")),
    ),
    case(
        "sguid-no-guid",
        "the visit's identifier is none",
        refused(visit(sguid="visit-1"), ("GUID_INVALID", "/sguid")),
    ),
    case(
        "patient-missing",
        "nobody is named",
        unread(visit(patient=None), ("PATIENT_MISSING", "/patient")),
    ),
    case(
        "patients-two",
        "two persons in one submission, and a line of another person's",
        unread(visit(), ("MULTIPLE_PATIENTS", "/patient"), alter=damage.two),
        unread(
            visit(line(1), line(2, patient={"niss": "{other patient}"})),
            ("MULTIPLE_PATIENTS", "/lines/1/patient"),
        ),
    ),
    *(
        case(
            name,
            about,
            Step(REGISTER, visit(patient=patient), Answer("accepted", (finding,), (RECORDED,))),
        )
        for name, about, patient, finding in (
            (
                "niss-of-nobody",
                "a number whose counter is given to nobody",
                {"niss": UNASSIGNED},
                ("NISS_NOT_ASSIGNED", "/patient/niss"),
            ),
            (
                "birth-date-impossible",
                "a birth date that is none",
                {"niss": "{patient}", "birth_date": "1985-02-30"},
                ("BIRTH_DATE_DOUBTFUL", "/patient/birth_date"),
            ),
            (
                "sex-of-another",
                "the number is a woman's",
                {"niss": WOMAN, "sex": "male"},
                ("SEX_DOUBTFUL", "/patient/sex"),
            ),
        )
    ),
    case(
        "delivery-in-future",
        "the pharmacy's clock is two days ahead",
        refused(visit(delivered_at="{now +2d}"), ("DELIVERY_IN_FUTURE", "/delivered_at")),
    ),
    case(
        "delivery-too-old",
        "delivered before the year that the record keeps",
        refused(visit(delivered_at="{now -400d}"), ("DELIVERY_TOO_OLD", "/delivered_at")),
    ),
    case(
        "delivery-late",
        "delivered forty days ago",
        Step(
            REGISTER,
            visit(delivered_at="{now -40d}"),
            Answer("accepted", (("LATE_ARRIVAL", "/delivered_at"),), (RECORDED,)),
        ),
    ),
    case(
        "too-many-lines",
        "one line more than a submission may have",
        unread(visit(*(line(n) for n in range(1, MAX_LINES + 2))), ("TOO_MANY_LINES", "/lines")),
    ),
    case(
        "body-members",
        "members that are missing or of another type, all named at once",
        unread(
            visit(line(1, units="two"), line(2, product=None), sguid=None),
            ("BODY_MALFORMED", "/sguid"),
            ("BODY_MALFORMED", "/lines/0/units"),
            ("BODY_MALFORMED", "/lines/1/product"),
        ),
    ),
    case(
        "body-kind-unknown",
        "a kind of product that does not exist",
        unread(
            visit(line(product={"kind": "herbal"})),
            ("BODY_MALFORMED", "/lines/0/product/kind"),
        ),
    ),
    *(
        case(f"body-{name}", about, unread(visit(), ("BODY_MALFORMED", ""), alter=alter))
        for name, about, alter in (
            ("cut-short", "a text that ends too early", damage.syntax),
            ("not-utf8", "a byte that no UTF-8 text has", damage.not_utf8),
            ("not-json", "bytes that are no text", damage.not_json),
            ("duplicate-key", "a member that stands twice", damage.duplicate_key),
            ("nan", "NaN, which is not JSON", damage.not_a_number),
            ("surrogate", "an escape that names half of a pair", damage.surrogate),
            ("too-deep", "twenty thousand arrays in each other", damage.too_deep),
        )
    ),
)

LINE: Final[tuple[Case, ...]] = (
    case(
        "dguid-no-guid",
        "a line's identifier is none",
        refused_line(visit(line(dguid="line-1")), ("GUID_INVALID", "/lines/0/dguid")),
    ),
    case(
        "dguid-twice",
        "two lines of a submission have one identifier; the first is recorded",
        Step(
            REGISTER,
            visit(line(1), line(2, dguid="{GUID 1}")),
            Answer(
                "partial",
                lines=(RECORDED, Line("rejected", (("DGUID_REPEATED", "/lines/1/dguid"),))),
            ),
        ),
    ),
    case(
        "cnk-check-digit",
        "the check digit of a product code is wrong",
        refused_line(
            visit(line(product={"kind": "cnk", "cnk": BAD_CNK})),
            ("CNK_INVALID", "/lines/0/product/cnk"),
        ),
    ),
    case(
        "units-zero",
        "nothing was delivered",
        refused_line(visit(line(units=0)), ("UNITS_ZERO", "/lines/0/units")),
    ),
    case(
        "units-implausible",
        "far more packs than anybody takes home",
        doubtful_line(visit(line(units=900)), ("UNITS_IMPLAUSIBLE", "/lines/0/units")),
    ),
    case(
        "compound-cnk",
        "the code of an ingredient and that of a formula are none",
        doubtful_line(
            visit(
                line(
                    product={
                        "kind": "magistral",
                        "galenic_form": "cream",
                        "compounds": [
                            {"order": 1, "name": "urea", "quantity": "10 g"},
                            {"order": 2, "cnk": BAD_CNK, "quantity": "90 g"},
                        ],
                    }
                )
            ),
            ("COMPOUND_CNK_INVALID", "/lines/0/product/compounds/1/cnk"),
        ),
        doubtful_line(
            visit(
                line(
                    2,
                    product={"kind": "magistral", "galenic_form": "cream", "formula_cnk": BAD_CNK},
                )
            ),
            ("COMPOUND_CNK_INVALID", "/lines/0/product/formula_cnk"),
        ),
    ),
    case(
        "line-too-large",
        "a preparation that does not fit into a fact",
        refused_line(visit(line(product=_LARGE)), ("SUBMISSION_TOO_LARGE", "/lines/0")),
    ),
)

MANY: Final[tuple[Case, ...]] = (
    case(
        "many-faults",
        "every fault of every line at once, in the order of the message, then of the lines",
        Step(
            REGISTER,
            visit(
                line(1, units=0, product={"kind": "cnk", "cnk": BAD_CNK}),
                line(2),
                line(
                    3,
                    dguid="line-3",
                    units=900,
                    prescription={"prescriber": PRESCRIBER, "rid": BAD_RID},
                ),
                line(4, dguid="{guid 2}", units=-3),
                sguid="visit",
                patient={"niss": BAD_NISS},
                delivered_at="{now +2d}",
            ),
            Answer(
                "rejected",
                (
                    ("GUID_INVALID", "/sguid"),
                    ("NISS_INVALID", "/patient/niss"),
                    ("DELIVERY_IN_FUTURE", "/delivered_at"),
                ),
                (
                    Line(
                        "rejected",
                        (
                            ("CNK_INVALID", "/lines/0/product/cnk"),
                            ("UNITS_ZERO", "/lines/0/units"),
                        ),
                    ),
                    REJECTED,
                    Line(
                        "rejected",
                        (
                            ("GUID_INVALID", "/lines/2/dguid"),
                            ("UNITS_IMPLAUSIBLE", "/lines/2/units"),
                            ("RID_INVALID", "/lines/2/prescription/rid"),
                        ),
                    ),
                    Line(
                        "rejected",
                        (
                            ("DGUID_REPEATED", "/lines/3/dguid"),
                            ("RETURN_INVALID", "/lines/3/units"),
                        ),
                    ),
                ),
            ),
        ),
    ),
    case(
        "some-lines-refused",
        "one bad line does not sink the others",
        Step(
            REGISTER,
            visit(line(1), line(2, units=0), line(3)),
            Answer(
                "partial",
                lines=(RECORDED, Line("rejected", (("UNITS_ZERO", "/lines/1/units"),)), RECORDED),
            ),
        ),
    ),
)

CONTENT_CASES: Final = (*ACCEPTED, *MESSAGE, *LINE, *MANY)
