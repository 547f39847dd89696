"""The catalogue of findings: every code that a receipt of the subject stage may hold, as data.

All are refusals, since half a consent is none. FUNCTIONAL: the author must act; TECHNICAL: submit
again. Codes never change their meaning. Source: DESIGN sections 3 and 4; domain reference 9.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from schemas.receipts import FaultClass, Issue, Severity
from streams.subject.texts import TEXTS
from streams.texts import Texts

_MAX_PATH: Final = 256
_MAX_HINT: Final = 128
SEVERITY: Final[Severity] = "reject"


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of finding; `hint` tells the registrar's developers what to do."""

    code: str
    hint: str
    source: str
    fault_class: FaultClass = "FUNCTIONAL"
    severity: Severity = SEVERITY

    @property
    def texts(self) -> Texts:
        """What to tell a person, by language: fr, nl, de, en."""
        return TEXTS[self.code]


_DESIGN3: Final = "DESIGN section 3"
_DESIGN4: Final = "DESIGN section 4"
_DESIGN41: Final = "DESIGN section 4.1"
_CONSENT: Final = "domain reference 9.1"
_LINK: Final = "domain reference 9.2"
_MANDATE: Final = "domain reference 9.3"
_ERASURE: Final = "DESIGN section 4.2; GDPR article 17"
_IDENTITY: Final = "domain reference 4.1"

_TABLE: Final = (
    Code("KEY_MISSING", "Set the record key: the subject pseudonym.", _DESIGN3),
    Code("KEY_INVALID", "The record key is a pseudonym: 26 characters a-z, 2-7.", _DESIGN3),
    Code("EMPTY_SUBMISSION", "Send a sealed value.", _DESIGN41),
    Code("SUBMISSION_TOO_LARGE", "At most 48 KiB sealed.", _DESIGN41),
    Code("HEADER_INVALID", "Write each CloudEvents attribute once.", _DESIGN4),
    Code("EVENT_TYPE_UNKNOWN", "Use one of the registration types.", _DESIGN4),
    Code("PARTITION_WRONG", "Let the Kafka client choose: murmur2(key) mod count.", _DESIGN3),
    Code("PUBLISHER_UNKNOWN", "Enrol the registrar.", _DESIGN41),
    Code("PUBLISHER_MISMATCH", "Only the registrar submits registrations.", _DESIGN3),
    Code("SESSION_UNKNOWN", "Open a session first.", _DESIGN41),
    Code("SESSION_EXPIRED", "Open a new session with an active key and seal again.", _DESIGN41),
    Code("CONTRACT_NOT_VALID", "No contract covers this event type now.", _DESIGN41),
    Code(
        "SEAL_BROKEN", "Seal under the session key, bound to the exact key and headers.", _DESIGN41
    ),
    Code("ID_REUSED", "This ce_id stands for another registration: make a new one.", _DESIGN4),
    Code("REGISTRATION_MALFORMED", "The body does not obey its JSON Schema.", _DESIGN4),
    Code(
        "PARTY_INVALID", "The number or kind of this party is not valid here.", "domain reference 4"
    ),
    Code("AUTHOR_NOT_ALLOWED", "This role may not register this, or not for others.", _LINK),
    Code("EVIDENCE_MISSING", "State what was shown: proof type and reference.", _CONSENT),
    Code("CONSENT_ALREADY_GIVEN", "Consent is in force: nothing is to be done.", _CONSENT),
    Code("CONSENT_NOT_GIVEN", "There is no consent to withdraw.", _CONSENT),
    Code("LINK_TYPE_PARTY_MISMATCH", "This link type is not for this kind of party.", _LINK),
    Code("LINK_IN_FUTURE", "A link starts when the proof was read, not later.", _LINK),
    Code("LINK_OVER", "A link that started then has already ended.", _LINK),
    Code("LINK_EXISTS", "Such a link is in force: revoke it first, then declare anew.", _LINK),
    Code("LINK_UNKNOWN", "The subject has no link with this id.", _LINK),
    Code("LINK_ALREADY_REVOKED", "The link was revoked: nothing is to be done.", _LINK),
    Code("EXCLUSION_EXISTS", "The party is excluded: nothing is to be done.", _MANDATE),
    Code("EXCLUSION_UNKNOWN", "The subject has no exclusion with this id in force.", _MANDATE),
    Code("SELF_MANDATE", "Nobody holds a mandate from themselves.", _MANDATE),
    Code("MANDATE_PERIOD_INVALID", "The mandate would end before it begins.", _MANDATE),
    Code("MANDATE_UNKNOWN", "The subject granted no mandate with this id.", _MANDATE),
    Code("MANDATE_HOLDER_MISMATCH", "Only the holder named in the mandate may do this.", _MANDATE),
    Code("MANDATE_NOT_WAITING", "The mandate was already accepted.", _MANDATE),
    Code("MANDATE_ENDED", "The mandate was refused, ended, or has run out.", _MANDATE),
    Code("NO_MANDATE", "Only an active mandate lets somebody declare links for another.", _LINK),
    Code("PROOF_NOT_ALLOWED", "Policy names the proofs of each link type; use one.", _LINK),
    Code("AGE_BELOW_CONSENT", "A parent registers for somebody this young.", _CONSENT),
    Code("NOT_A_PARENT", "No declared parent who may act now: declare them first.", _MANDATE),
    Code("CHILD_CONSENTS_ITSELF", "From this age on the child registers it itself.", _CONSENT),
    Code("SELF_PARENT", "Nobody is their own parent.", _MANDATE),
    Code("CHILD_BORN_LATER", "The day of birth lies in the future.", _MANDATE),
    Code("CHILD_OF_AGE", "Parents act for children below the age that policy states.", _MANDATE),
    Code("PARENT_EXISTS", "This parent is declared: nothing is to be done.", _MANDATE),
    Code("PARENT_UNKNOWN", "The subject has no declared parent with this id.", _MANDATE),
    Code("SUBJECT_DECEASED", "A death is registered: annul it first if it is wrong.", _CONSENT),
    Code("DEATH_UNKNOWN", "No death is registered under this id.", _CONSENT),
    Code("SELF_MERGE", "Name two different numbers.", _IDENTITY),
    Code("MERGE_EXISTS", "These two numbers are being merged, or this id is taken.", _IDENTITY),
    Code("MERGE_UNKNOWN", "The subject has no merge with this id.", _IDENTITY),
    Code("SUBJECT_MERGED", "Register it under the number that replaces this one.", _IDENTITY),
    Code("ERASURE_EXISTS", "An erasure is asked for already: nothing is to be done.", _ERASURE),
    Code("ERASURE_UNKNOWN", "No erasure was asked for under this id.", _ERASURE),
    Code("ERASURE_OVER", "This erasure was rejected: ask for a new one.", _ERASURE),
    Code("ERASURE_OWN_REQUEST", "Another officer has to agree to what one asked for.", _ERASURE),
    Code("ERASURE_APPROVED", "This officer, or two others, have agreed already.", _ERASURE),
    Code("ERASURE_NOT_APPROVED", "Two privacy officers have to agree first.", _ERASURE),
    Code("ERASURE_ON_HOLD", "A legal hold stands: lift it first, if it may be lifted.", _ERASURE),
    Code("HOLD_EXISTS", "A legal hold with this id stands: choose a new one.", _ERASURE),
    Code("HOLD_UNKNOWN", "No legal hold with this id stands.", _ERASURE),
    Code(
        "SUBJECT_ERASED",
        "An erasure is being carried out: submit again later.",
        _ERASURE,
        "TECHNICAL",
    ),
    Code("UNDECIDABLE", "Submit again; report it if it stays so.", "DESIGN section 5", "TECHNICAL"),
)

CODES: Final[Mapping[str, Code]] = MappingProxyType({code.code: code for code in _TABLE})
"""Every code by its name."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a registration is refused; `path` is an RFC 6901 pointer into its body."""

    code: str
    path: str = ""
    hint: str | None = None


def issue(finding: Finding) -> Issue:
    """A finding as a receipt holds it."""
    entry = CODES[finding.code]
    return Issue(
        code=entry.code,
        severity=entry.severity,
        scope="message",
        fault_class=entry.fault_class,
        path=finding.path if len(finding.path) <= _MAX_PATH else "",
        hint=(finding.hint or entry.hint)[:_MAX_HINT],
    )
