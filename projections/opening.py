"""Opens the seals of record facts, a batch at a time, for projections that need the inside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from pydantic import ValidationError

from projections.events import Event, Unfoldable, read
from schemas.dispensation import (
    RECORD_FACTS,
    CorrectedFact,
    LineSummary,
    RegisteredFact,
    RevokedFact,
)
from schemas.keyvault import DestroyedPeriod, KeyVault, PeriodSecret, Shredded, SubjectSecret
from schemas.sealing import SealBroken, b64decode
from schemas.sealing.facts import RecordSealer, record_keys

Fact = RegisteredFact | CorrectedFact | RevokedFact
VAULT_DIFFERS: Final = "period_unknown"
"""Category of a day that the vault never knew: this vault is another one, or an older one."""


class Opened(NamedTuple):
    """A fact and what it seals; None for a revocation, whose reason no lookup needs."""

    event: Event
    fact: Fact
    content: LineSummary | Shredded | None


@dataclass(slots=True)
class OpenedBatch:
    """Facts in their order up to the first that cannot be taken over, and why that one cannot."""

    facts: list[Opened] = field(default_factory=list)
    index_key: bytes = field(default=b"", repr=False)
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class _Secrets:
    subjects: Mapping[tuple[str, int], SubjectSecret | Shredded]
    periods: Mapping[str, PeriodSecret | DestroyedPeriod]
    openers: dict[tuple[str, str, int, str, int, str], RecordSealer | Shredded] = field(
        default_factory=dict, repr=False
    )
    """What the batch has derived, or why nothing can be: the lines of a visit share them."""


async def open_facts(vault: KeyVault, events: Sequence[Event]) -> OpenedBatch:
    """Opens with all secrets of the batch asked for at once.

    Raises:
        VaultUnavailable: nothing was decided.
    """
    batch = OpenedBatch()
    facts: list[Fact] = []
    try:
        for event in events:
            facts.append(read(event, RECORD_FACTS))  # noqa: PERF401 - keeps those before a bad one
    except Unfoldable as error:
        batch.failure = error.category
    secrets = await _secrets(vault, facts)
    batch.index_key = await vault.root_key("index")
    for event, fact in zip(events, facts, strict=False):
        try:
            batch.facts.append(Opened(event, fact, _content(event, fact, secrets)))
        except Unfoldable as error:
            batch.failure = error.category
            break
    return batch


async def _secrets(vault: KeyVault, facts: Sequence[Fact]) -> _Secrets:
    sealed = [fact for fact in facts if not isinstance(fact, RevokedFact)]
    if not sealed:
        return _Secrets({}, {})
    return _Secrets(
        await vault.find_subject_secrets({(fact.subject, fact.generation) for fact in sealed}),
        await vault.find_periods({fact.period for fact in sealed}),
    )


def _content(event: Event, fact: Fact, secrets: _Secrets) -> LineSummary | Shredded | None:
    if isinstance(fact, RevokedFact):
        return None
    type_ = event.envelope.type
    shared = (type_, fact.pharmacy, fact.version, fact.subject, fact.generation, fact.period)
    opener = secrets.openers.get(shared)
    if opener is None:
        opener = secrets.openers[shared] = _opener(type_, fact, secrets)
    if isinstance(opener, Shredded):
        return opener
    try:
        sealed = b64decode(fact.sealed)
        return LineSummary.read(opener.unseal(event.envelope.id, fact.dguid, sealed))
    except SealBroken:
        raise Unfoldable("seal_broken") from None
    except ValidationError:
        raise Unfoldable("malformed") from None


def _opener(
    type_: str, fact: RegisteredFact | CorrectedFact, secrets: _Secrets
) -> RecordSealer | Shredded:
    """What opens this fact and those that share its keys, or why nothing does."""
    subject = secrets.subjects.get((fact.subject, fact.generation), Shredded("subject"))
    if isinstance(subject, Shredded):
        return subject
    period = secrets.periods.get(fact.period)
    if period is None:
        # A destroyed day has its tombstone, so an unknown one means another or an older vault.
        raise Unfoldable(VAULT_DIFFERS)
    if isinstance(period, DestroyedPeriod):
        return Shredded("period")
    return RecordSealer(
        record_keys(subject.secret, period.secret, fact.version),
        type_=type_,
        pharmacy=fact.pharmacy,
        version=fact.version,
        subject=fact.subject,
        generation=fact.generation,
        period=fact.period,
    )
