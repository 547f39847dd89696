"""Codes about a submission as a whole, in the order in which they are reported."""

from typing import Final

from schemas.receipts import Scope
from streams.quality.code import Code

_MESSAGE: Final[tuple[Scope, ...]] = ("message",)
_DESIGN3: Final = "DESIGN section 3"
_DESIGN4: Final = "DESIGN section 4"
_DESIGN41: Final = "DESIGN section 4.1"
_DESIGN6: Final = "DESIGN section 6"
_GUIDS: Final = "domain reference 4.3: DGUID, SGUID, MGUID"
_NISS: Final = "domain reference 4.1: birth date and sex are best effort"
_FILTER: Final = "domain reference 10.2"
_CHECKS: Final = "domain reference 10.3"

MESSAGE_CODES: Final = (
    Code(
        "KEY_MISSING", "reject", _MESSAGE, "", "Set the record key: the pharmacy number.", _DESIGN3
    ),
    Code("EMPTY_SUBMISSION", "reject", _MESSAGE, "", "Send a sealed value.", _DESIGN41),
    Code(
        "PUBLISHER_UNKNOWN",
        "reject",
        _MESSAGE,
        "",
        "Ask the FarmaFlux office to enrol this pharmacy number.",
        "domain reference 10.1: INVALID_PHARMACY",
    ),
    Code(
        "SUBMISSION_TOO_LARGE",
        "reject",
        ("message", "line"),
        "",
        "At most 48 KiB sealed, and 40 KiB for one line: split it.",
        _DESIGN41,
    ),
    Code(
        "HEADER_INVALID", "reject", _MESSAGE, "", "Write each CloudEvents attribute once.", _DESIGN4
    ),
    Code(
        "EVENT_TYPE_UNKNOWN",
        "reject",
        _MESSAGE,
        "",
        "Use the register, correct or revoke type.",
        "domain reference 10.1: MESSAGE_VERSION_NOT_SUPPORTED",
    ),
    Code(
        "SEQUENCE_INVALID",
        "reject",
        _MESSAGE,
        "",
        "Number submissions 1, 2, 3, ... and name the publisher epoch.",
        _DESIGN6,
    ),
    Code(
        "PARTITION_WRONG",
        "reject",
        _MESSAGE,
        "",
        "Let the Kafka client choose: murmur2(key) mod count.",
        _DESIGN3,
    ),
    Code(
        "PUBLISHER_MISMATCH",
        "reject",
        _MESSAGE,
        "",
        "Key, ce_source and the session's publisher name one pharmacy.",
        _DESIGN3,
    ),
    Code("SESSION_UNKNOWN", "reject", _MESSAGE, "", "Open a session first.", _DESIGN41),
    Code(
        "SESSION_EXPIRED",
        "reject",
        _MESSAGE,
        "",
        "Open a new session with an active key and seal again.",
        _DESIGN41,
    ),
    Code(
        "CONTRACT_NOT_VALID",
        "reject",
        _MESSAGE,
        "",
        "No contract covers this event type now: ask the FarmaFlux office.",
        "domain reference 3 and 10.1: SERVICEROUTER_*",
    ),
    Code(
        "SEAL_BROKEN",
        "reject",
        _MESSAGE,
        "",
        "Seal under the session key, bound to the exact key and headers.",
        "domain reference 10.1: UNSEAL",
    ),
    Code(
        "SEQUENCE_REUSED",
        "reject",
        _MESSAGE,
        "",
        "This number stands for another submission: take the next free one.",
        _DESIGN6,
    ),
    Code(
        "ID_REUSED",
        "reject",
        _MESSAGE,
        "",
        "This ce_id stands for another submission: make a new one.",
        _DESIGN4,
    ),
    Code(
        "BODY_MALFORMED",
        "reject",
        _MESSAGE,
        "/lines/{i}/units",
        "The body does not obey its JSON Schema.",
        "domain reference 10.1: INVALID_FORMAT",
    ),
    Code(
        "PATIENT_MISSING",
        "reject",
        _MESSAGE,
        "/patient",
        "Name the patient of the visit.",
        "domain reference 10.1: PATIENT_MISSING",
        since="quality/2",
    ),
    Code(
        "MULTIPLE_PATIENTS",
        "reject",
        _MESSAGE,
        "/patient",
        "One patient per submission: send one for each.",
        "domain reference 10.1: MULTIPLE_PATIENT",
        since="quality/2",
    ),
    Code("TOO_MANY_LINES", "reject", _MESSAGE, "/lines", "At most 100 lines: split it.", _DESIGN41),
    Code(
        "GUID_INVALID",
        "reject",
        ("line", "message"),
        "/lines/{i}/dguid",
        "32 hexadecimal digits, written 8-4-4-4-12.",
        _GUIDS,
    ),
    Code(
        "NISS_INVALID",
        "reject",
        _MESSAGE,
        "/patient/niss",
        "Not a NISS or BIS number: read the card again.",
        "domain reference 4.1",
    ),
    Code(
        "NISS_NOT_ASSIGNED",
        "warn",
        _MESSAGE,
        "/patient/niss",
        "Nobody is given this number: check that it is no test patient.",
        _NISS,
        adjustable=True,
        since="quality/2",
    ),
    Code(
        "BIRTH_DATE_DOUBTFUL",
        "warn",
        _MESSAGE,
        "/patient/birth_date",
        "Write YYYY-MM-DD, and compare it with the card.",
        _NISS,
        adjustable=True,
        since="quality/2",
    ),
    Code(
        "SEX_DOUBTFUL",
        "warn",
        _MESSAGE,
        "/patient/sex",
        "Compare the sex with the card.",
        _NISS,
        adjustable=True,
        since="quality/2",
    ),
    Code(
        "DELIVERY_IN_FUTURE",
        "reject",
        _MESSAGE,
        "/delivered_at",
        "Later than the broker's clock: check the pharmacy's clock.",
        "domain reference 6.2: sessionDateTime",
    ),
    Code(
        "DELIVERY_TOO_OLD",
        "reject",
        _MESSAGE,
        "/delivered_at",
        "Older than the record keeps.",
        "domain reference 9.4",
    ),
    Code(
        "LATE_ARRIVAL",
        "warn",
        _MESSAGE,
        "/delivered_at",
        "Submit on the day of delivery.",
        _CHECKS,
        adjustable=True,
    ),
    Code(
        "ALL_LINES_FILTERED",
        "reject",
        _MESSAGE,
        "/lines",
        "Nothing in it belongs in the record: nothing is to be done.",
        _FILTER,
        since="quality/2",
    ),
    Code(
        "UNDECIDABLE",
        "reject",
        _MESSAGE,
        "",
        "Submit again; ask the FarmaFlux help desk if it stays so.",
        _DESIGN6,
        fault_class="TECHNICAL",
    ),
)
