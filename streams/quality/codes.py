"""The catalogue of findings: every code that a receipt of quality control may hold, as data.

FUNCTIONAL: the pharmacy must act; TECHNICAL: submit again. Codes never change their meaning.
Which ones are refusals may be set by policy data only where `adjustable` says so: the others
protect the form of the record itself. A code that came with a later policy version is not found
under an earlier one, so that what was decided then is decided so again. Sources: domain reference,
sections 4, 7 and 10.
"""

from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Final

from schemas.policy import PolicyVersion, QualityPolicy
from schemas.receipts import Issue, Scope, Severity
from streams.quality.code import Code
from streams.quality.codes_line import LINE_CODES
from streams.quality.codes_message import MESSAGE_CODES
from streams.texts import Texts

__all__ = ["CODES", "Code", "in_force", "issue", "policy_faults", "refuses", "severity", "texts"]

_MAX_PATH: Final = 256
_MAX_HINT: Final = 128
_MADE: Final = 4096
"""Findings that are kept: the same few occur in the same few places all the time."""

CODES: Final[Mapping[str, Code]] = MappingProxyType(
    {code.code: code for code in (*MESSAGE_CODES, *LINE_CODES)}
)
"""Every code by its name, in the order in which findings are reported."""


def in_force(policy: PolicyVersion) -> frozenset[str]:
    """The codes that may be found under a version of the quality policy."""
    return _in_force(policy.number)


@cache
def _in_force(number: int) -> frozenset[str]:
    return frozenset(
        name for name, code in CODES.items() if int(code.since.partition("/")[2]) <= number
    )


def severity(code: str, policy: QualityPolicy | None) -> Severity:
    """How grave a finding is under a policy; None stands for the catalogue's own."""
    entry = CODES[code]
    if policy is None or not entry.adjustable:
        return entry.severity
    return policy.severities.get(code, entry.severity)


def texts(code: str, policy: QualityPolicy) -> Texts:
    """What to tell a person about a finding under a policy, by language."""
    own = policy.texts.get(code)
    return CODES[code].texts if own is None else Texts(own.fr, own.nl, own.de, own.en)


def policy_faults(policy: QualityPolicy) -> Iterator[str]:
    """What in a policy would have no effect: one sentence for each."""
    for code in sorted({*policy.severities, *policy.penalties, *policy.texts} - CODES.keys()):
        yield f"{code} is no code of quality control: dpp quality rules lists them."
    for code in sorted(policy.severities.keys() & CODES.keys()):
        if not CODES[code].adjustable:
            yield f"The severity of {code} is not policy's to set: it protects the record's form."


def issue(
    code: str,
    path: str = "",
    *,
    policy: QualityPolicy | None = None,
    scope: Scope | None = None,
    hint: str | None = None,
) -> Issue:
    """One finding as a receipt holds it; `scope` defaults to the code's usual one."""
    where = path if len(path) <= _MAX_PATH else ""
    return _issue(code, severity(code, policy), scope or CODES[code].scopes[0], where, hint)


@lru_cache(maxsize=_MADE)
def _issue(code: str, grave: Severity, scope: Scope, path: str, hint: str | None) -> Issue:
    entry = CODES[code]
    return Issue(
        code=code,
        severity=grave,
        scope=scope,
        fault_class=entry.fault_class,
        path=path,
        hint=(hint or entry.hint)[:_MAX_HINT],
    )


def refuses(issues: tuple[Issue, ...]) -> bool:
    """Whether one of the findings is a refusal."""
    return bool(issues) and any(found.severity == "reject" for found in issues)
