"""What becomes of a line: corrections, revocations, returns, repetitions."""

from typing import Final

from consumers.conformance.case import Answer, Case, Line, Step
from consumers.conformance.writing import (
    OTHER,
    RECORDED,
    accepted,
    case,
    corrected,
    line,
    refused_line,
    registered,
    revocation,
    revoked,
    visit,
)
from consumers.vendors.testers import OTHER_PHARMACY
from schemas.dispensation import CORRECT, REGISTER, REVOKE

_DUPLICATE: Final = Answer("duplicate", lines=(Line("duplicate"),))
_RETURN: Final = visit(line(2, units=-1, returns="{guid 1}", product=line(1)["product"]))

CHANGES: Final[tuple[Case, ...]] = (
    case("correction", "a line is replaced, twice", registered(), corrected(1), corrected(2)),
    case(
        "correction-patient",
        "a line was registered for the wrong person",
        registered(),
        accepted(visit(line(replaces=1), **OTHER), CORRECT),
    ),
    case("revocation", "a line was registered by mistake", registered(), revoked()),
    case("revocation-of-correction", "version 2 is revoked", registered(), corrected(), revoked(2)),
    case(
        "correction-stale",
        "a version is named that was replaced; the receipt says the current one",
        registered(),
        corrected(),
        Step(
            CORRECT,
            visit(line(units=3, replaces=1)),
            Answer(
                "rejected",
                lines=(Line("rejected", (("VERSION_STALE", "/lines/0/replaces"),), version=2),),
            ),
        ),
    ),
    case(
        "revocation-stale",
        "a version is named that was replaced",
        registered(),
        corrected(),
        refused_line(revocation(), ("VERSION_STALE", "/replaces"), type_=REVOKE),
    ),
    case(
        "correction-unknown",
        "a line that was never registered",
        refused_line(visit(line(replaces=1)), ("LINE_UNKNOWN", "/lines/0/dguid"), type_=CORRECT),
    ),
    case(
        "revocation-unknown",
        "a line that was never registered",
        refused_line(revocation(), ("LINE_UNKNOWN", "/dguid"), type_=REVOKE),
    ),
    case(
        "revocation-elsewhere",
        "the line of another pharmacy is as unknown as one that does not exist",
        registered(),
        refused_line(revocation(), ("LINE_UNKNOWN", "/dguid"), type_=REVOKE, sender=OTHER_PHARMACY),
    ),
    case(
        "correction-of-revoked",
        "a line that was revoked stays so",
        registered(),
        revoked(),
        refused_line(visit(line(replaces=2)), ("LINE_REVOKED", "/lines/0/dguid"), type_=CORRECT),
    ),
    case(
        "revocation-of-revoked",
        "a second revocation, of what the first one left",
        registered(),
        revoked(),
        refused_line(revocation(replaces=2), ("LINE_REVOKED", "/dguid"), type_=REVOKE),
    ),
    case(
        "revocation-other-patient",
        "a revocation names the patient as the line stands",
        registered(),
        refused_line(revocation(**OTHER), ("PATIENT_MISMATCH", "/patient/niss"), type_=REVOKE),
    ),
    case(
        "revocation-other-visit",
        "a revocation names the visit as the line stands",
        registered(),
        refused_line(revocation(sguid="{guid 9}"), ("VISIT_MISMATCH", "/sguid"), type_=REVOKE),
    ),
)

_BOTH: Final = visit(line(2, units=-2, returns="{guid 1}", product=line(1)["product"]))

RETURNS: Final[tuple[Case, ...]] = (
    case("return", "a patient brings a line back", registered(), accepted(_RETURN)),
    case(
        "return-unnamed",
        "negative units that name no line",
        refused_line(visit(line(units=-1)), ("RETURN_INVALID", "/lines/0/units")),
    ),
    case(
        "return-unknown",
        "a line that was never registered",
        refused_line(_RETURN, ("RETURN_INVALID", "/lines/0/returns")),
    ),
    case(
        "return-positive",
        "positive units that name a line",
        registered(),
        refused_line(
            visit(line(2, units=1, returns="{guid 1}")), ("RETURN_INVALID", "/lines/0/returns")
        ),
    ),
    case(
        "return-other-patient",
        "the line of another person",
        registered(),
        refused_line({**_RETURN, **OTHER}, ("RETURN_INVALID", "/lines/0/returns")),
    ),
    case(
        "return-other-product",
        "another product than the line's",
        registered(),
        refused_line(
            visit(line(2, units=-1, returns="{guid 1}")),
            ("RETURN_PRODUCT_DIFFERS", "/lines/0/product"),
        ),
    ),
    case(
        "return-too-many",
        "more than was delivered, at once and with an earlier return",
        registered(),
        refused_line(_BOTH, ("RETURN_TOO_MANY", "/lines/0/units")),
        accepted(_RETURN),
        refused_line(
            visit(line(3, units=-1, returns="{guid 1}", product=line(1)["product"])),
            ("RETURN_TOO_MANY", "/lines/0/units"),
        ),
    ),
)

REPETITIONS: Final[tuple[Case, ...]] = (
    case(
        "line-again",
        "the same line in another message is a duplicate, alone or beside a new one",
        registered(),
        Step(REGISTER, visit(), _DUPLICATE),
        Step(
            REGISTER,
            visit(line(1), line(2)),
            Answer("accepted", lines=(Line("duplicate"), RECORDED)),
        ),
    ),
    case(
        "line-conflict",
        "the identifier of a recorded line comes with other content",
        registered(),
        refused_line(visit(line(units=2)), ("DGUID_CONFLICT", "/lines/0/dguid")),
    ),
    case(
        "product-again",
        "the same product for the same person in the same minute, under another identifier",
        registered(),
        Step(
            REGISTER,
            visit(line(2, product=line(1)["product"])),
            Answer(
                "accepted",
                lines=(Line("recorded", (("PRODUCT_REPEATED", "/lines/0/product"),)),),
            ),
        ),
    ),
    case(
        "correction-again",
        "the same correction in another message",
        registered(),
        corrected(),
        Step(CORRECT, visit(line(units=2, replaces=1)), _DUPLICATE),
    ),
    case(
        "revocation-again",
        "the same revocation in another message",
        registered(),
        revoked(),
        Step(REVOKE, revocation(), _DUPLICATE),
    ),
    case(
        "same-identifier-elsewhere",
        "another pharmacy may use the same identifier for a line of its own",
        registered(),
        accepted(visit(), sender=OTHER_PHARMACY),
    ),
)

LIFE_CASES: Final = (*CHANGES, *RETURNS, *REPETITIONS)
