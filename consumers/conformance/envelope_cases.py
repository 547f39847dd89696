"""What stands around the content: numbers, identifiers, seals, sessions, headers, keys."""

from typing import Final

from consumers.conformance.case import Answer, Case, Step
from consumers.conformance.writing import accepted, case, line, registered, unread, visit
from consumers.simulation import damage
from consumers.vendors.testers import LAPSED_PHARMACY, STRANGER
from schemas.dispensation import REGISTER

_SECOND: Final = visit(line(2))

NUMBERS: Final[tuple[Case, ...]] = (
    case(
        "message-again",
        "the same record again, byte for byte, and sealed anew",
        registered(),
        Step(REGISTER, visit(), Answer("duplicate"), sequence=1, same_id_as=0, mutation="copy"),
        Step(REGISTER, visit(), Answer("duplicate"), sequence=1, same_id_as=0),
    ),
    case(
        "number-again",
        "a used number with another submission, and with other content under the same ce_id",
        registered(),
        unread(_SECOND, ("SEQUENCE_REUSED", ""), sequence=1),
        unread(_SECOND, ("SEQUENCE_REUSED", ""), sequence=1, same_id_as=0),
    ),
    case(
        "id-again",
        "a used ce_id with a new number",
        registered(),
        unread(_SECOND, ("ID_REUSED", ""), sequence=2, same_id_as=0),
    ),
    case(
        "numbers-missing",
        "numbers are passed over, noticed, and closed one by one as they arrive",
        registered(),
        accepted(visit(line(2)), sequence=4),
        accepted(visit(line(3)), sequence=3),
        accepted(visit(line(4)), sequence=2),
        gaps=("noticed 2-3", "closed 3", "closed 2"),
    ),
)

SEALS: Final[tuple[Case, ...]] = (
    *(
        case(f"seal-{name}", about, unread(visit(), ("SEAL_BROKEN", ""), mutation=mutation))
        for name, about, mutation in (
            ("flipped-bit", "one bit changed on the way", "flipped_bit"),
            ("cut-short", "the end of the sealed value is missing", "cut_short"),
            ("wrong-key", "sealed under another key than the session's", "wrong_key"),
            ("random", "bytes that were never sealed", "random_bytes"),
        )
    ),
    case(
        "value-missing", "no value", unread(visit(), ("EMPTY_SUBMISSION", ""), mutation="tombstone")
    ),
    case(
        "session-unknown",
        "a session that nobody opened",
        unread(visit(), ("SESSION_UNKNOWN", ""), mutation="unknown_session", dead_letter=True),
    ),
    case(
        "session-expired",
        "a session whose end has passed",
        unread(visit(), ("SESSION_EXPIRED", ""), mutation="expired_session"),
    ),
    case(
        "session-of-another",
        "sealed under the session of another pharmacy",
        unread(visit(), ("PUBLISHER_MISMATCH", ""), mutation="other_session"),
    ),
    case(
        "contract-over",
        "the pharmacy's contract does not cover the submission any more",
        unread(visit(), ("CONTRACT_NOT_VALID", ""), sender=LAPSED_PHARMACY),
    ),
)

HEADERS: Final[tuple[Case, ...]] = (
    case(
        "id-no-guid",
        "the ce_id is no GUID",
        unread(visit(), ("HEADER_INVALID", ""), id="submission-1"),
    ),
    case(
        "session-header-missing",
        "no ce_sessionid",
        unread(visit(), ("HEADER_INVALID", ""), mutation="no_session_header", dead_letter=True),
    ),
    case(
        "time-header-missing",
        "no ce_time",
        unread(visit(), ("HEADER_INVALID", ""), mutation="time_missing"),
    ),
    case(
        "header-doubled",
        "a header that stands twice",
        unread(visit(), ("HEADER_INVALID", ""), mutation="header_doubled"),
    ),
    case(
        "headers-missing",
        "no header at all",
        unread(visit(), ("HEADER_INVALID", ""), mutation="no_headers"),
    ),
    case(
        "type-unknown",
        "a type of submission that does not exist",
        Step(damage.TYPE_UNKNOWN, visit(), Answer("rejected", (("EVENT_TYPE_UNKNOWN", ""),))),
    ),
    case(
        "sequence-no-number",
        "the number of the submission is a word",
        unread(visit(), ("SEQUENCE_INVALID", ""), mutation="sequence_text"),
    ),
    case(
        "key-missing",
        "a record without a key",
        unread(visit(), ("KEY_MISSING", ""), key=None, mutation="no_key", dead_letter=True),
    ),
    case(
        "publisher-unknown",
        "a pharmacy that is not enrolled",
        unread(visit(), ("PUBLISHER_UNKNOWN", ""), key=STRANGER, dead_letter=True),
    ),
    case(
        "partition-wrong",
        "a record in another partition than its key's",
        unread(visit(), ("PARTITION_WRONG", ""), mutation="wrong_partition"),
    ),
    case(
        "submission-too-large",
        "five megabytes",
        unread(visit(), ("SUBMISSION_TOO_LARGE", ""), mutation="oversize"),
    ),
)

ENVELOPE_CASES: Final = (*NUMBERS, *SEALS, *HEADERS)
