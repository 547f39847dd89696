"""The catalogue of findings: every code that a receipt of quality control may hold, as data.

FUNCTIONAL: the pharmacy must act; TECHNICAL: submit again. Codes never change their meaning.
Which ones are refusals may be set by policy data only where `adjustable` says so: the others
protect the form of the record itself. Sources: domain reference, sections 4, 7 and 10.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from schemas.policy import QualityPolicy
from schemas.receipts import FaultClass, Issue, Scope, Severity
from streams.quality.texts import TEXTS, Texts

_MAX_PATH: Final = 256
_MAX_HINT: Final = 128


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of finding.

    `path` is a template of the JSON pointer: `{i}` is the index of a line, `{j}` of an ingredient.
    `scopes` lists where it may occur, the usual place first.
    """

    code: str
    severity: Severity
    scopes: tuple[Scope, ...]
    path: str
    hint: str
    source: str
    fault_class: FaultClass = "FUNCTIONAL"
    adjustable: bool = False
    since: str = "quality/1"

    @property
    def texts(self) -> Texts:
        """What to tell a person, by language: fr, nl, de, en."""
        return TEXTS[self.code]


_MESSAGE: Final[tuple[Scope, ...]] = ("message",)
_LINE: Final[tuple[Scope, ...]] = ("line",)
_DESIGN3: Final = "DESIGN section 3"
_DESIGN4: Final = "DESIGN section 4"
_DESIGN41: Final = "DESIGN section 4.1"
_DESIGN42: Final = "DESIGN section 4.2"
_DESIGN6: Final = "DESIGN section 6"
_GUIDS: Final = "domain reference 4.3: DGUID, SGUID, MGUID"
_CNK: Final = "domain reference 4.2"
_LIFE: Final = "domain reference 7"
_CHECKS: Final = "domain reference 10.3"

_TABLE: Final = (
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
        "DGUID_REPEATED",
        "reject",
        _LINE,
        "/lines/{i}/dguid",
        "An earlier line of this submission has this DGUID.",
        "domain reference 10.1: DISPENSATION_GUID_DUPLICATE",
    ),
    Code(
        "CNK_INVALID",
        "reject",
        _LINE,
        "/lines/{i}/product/cnk",
        "Not a product code: 7 digits, the last a Luhn digit.",
        _CNK,
        adjustable=True,
    ),
    Code(
        "COMPOUND_CNK_INVALID",
        "warn",
        _LINE,
        "/lines/{i}/product/compounds/{j}/cnk",
        "Not a product code: 7 digits, the last a Luhn digit.",
        _CNK,
        adjustable=True,
    ),
    Code(
        "UNITS_ZERO",
        "reject",
        _LINE,
        "/lines/{i}/units",
        "Give the number of units delivered.",
        _CHECKS,
        adjustable=True,
    ),
    Code(
        "UNITS_IMPLAUSIBLE",
        "warn",
        _LINE,
        "/lines/{i}/units",
        "More units than plausible: check, and correct if wrong.",
        _CHECKS,
        adjustable=True,
    ),
    Code(
        "RETURN_INVALID",
        "reject",
        _LINE,
        "/lines/{i}/returns",
        "A return has negative units and names a line of the same patient.",
        _LIFE,
    ),
    Code(
        "PRESCRIBER_INVALID",
        "warn",
        _LINE,
        "/lines/{i}/prescription/prescriber",
        "Not a NIHDI number: 11 digits with two check digits.",
        "domain reference 4.3: NIHDI",
        adjustable=True,
    ),
    Code(
        "RID_INVALID",
        "warn",
        _LINE,
        "/lines/{i}/prescription/rid",
        "Not a Recip-e identifier: BE and ten more characters.",
        "domain reference 4.3: RID",
        adjustable=True,
    ),
    Code(
        "DGUID_CONFLICT",
        "reject",
        _LINE,
        "/lines/{i}/dguid",
        "This DGUID is recorded with other content: correct it, or make a new one.",
        "domain reference 10.1: DISPENSATION_GUID_DUPLICATE",
    ),
    Code(
        "LINE_UNKNOWN",
        "reject",
        _LINE,
        "/lines/{i}/dguid",
        "This pharmacy has no recorded line with this DGUID.",
        "domain reference 10.1: GUID_UNKNOWN, DISPENSATION_OWNER",
    ),
    Code(
        "VERSION_STALE",
        "reject",
        _LINE,
        "/lines/{i}/replaces",
        "The current version is another one: see the line's version.",
        _DESIGN6,
    ),
    Code("LINE_REVOKED", "reject", _LINE, "/lines/{i}/dguid", "The line was revoked.", _LIFE),
    Code(
        "PATIENT_MISMATCH",
        "reject",
        _LINE,
        "/patient/niss",
        "The line is recorded for another patient.",
        "domain reference 10.1: PARAMETERS_NOT_MATCH_REVOKE",
    ),
    Code(
        "LINE_ERASED",
        "reject",
        _LINE,
        "/lines/{i}/dguid",
        "The patient's record was erased: nothing is to be done.",
        _DESIGN42,
    ),
    Code(
        "PERIOD_CLOSED",
        "reject",
        _LINE,
        "/delivered_at",
        "The record of that delivery day is closed.",
        _DESIGN42,
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

CODES: Final[Mapping[str, Code]] = MappingProxyType({code.code: code for code in _TABLE})
"""Every code by its name, in the order in which findings are reported."""


def severity(code: str, policy: QualityPolicy | None) -> Severity:
    """How grave a finding is under a policy; None stands for the catalogue's own."""
    entry = CODES[code]
    if policy is None or not entry.adjustable:
        return entry.severity
    return policy.severities.get(code, entry.severity)


def issue(
    code: str,
    path: str = "",
    *,
    policy: QualityPolicy | None = None,
    scope: Scope | None = None,
    hint: str | None = None,
) -> Issue:
    """One finding as a receipt holds it; `scope` defaults to the code's usual one."""
    entry = CODES[code]
    return Issue(
        code=code,
        severity=severity(code, policy),
        scope=scope or entry.scopes[0],
        fault_class=entry.fault_class,
        path=path if len(path) <= _MAX_PATH else "",
        hint=(hint or entry.hint)[:_MAX_HINT],
    )


def refuses(issues: tuple[Issue, ...]) -> bool:
    """Whether one of the findings is a refusal."""
    return any(found.severity == "reject" for found in issues)
