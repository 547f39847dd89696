"""Dispensation lines, one row per version, each knowing which fact replaced it.

The shell opens the seal before folding, because the row is found by delivery time and product. A
version whose keys are gone has no row, but still replaces the one before it. The month of a row is
that of its delivery on a Belgian calendar; a correction may move a line to another month and to
another subject. Source: DESIGN sections 4.2 and 7.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal, assert_never

from projections.folds.access_state import Recorded
from projections.folds.product_recall import product_index
from schemas import brussels
from schemas.dispensation import (
    CORRECTED,
    REGISTERED,
    REVOKED,
    CorrectedFact,
    LineContent,
    MedicinalProduct,
    RegisteredFact,
    RevokedFact,
)
from schemas.keyvault import Shredded
from schemas.sealing import b64decode
from schemas.sealing.facts import blind_index

SCHEMA: Final = "history_v1"
RETURN_KIND: Final = "returns"
"""Kind of blind index under which the returns of a line are found."""

Fact = RegisteredFact | CorrectedFact | RevokedFact


@dataclass(frozen=True, slots=True)
class Line:
    """Where one version of a line is found: month of delivery (its first day) and identity."""

    month: date
    pharmacy: str
    dguid: str
    version: int


@dataclass(frozen=True, slots=True)
class PutVersion:
    """A version enters, unless it is there already or its subject's generation was erased.

    `delivered_at` None: a revocation, which takes it from the version in `withdraws` and enters
    only if that one is there. `sealed` is nonce || ciphertext || tag.
    """

    line: Line
    status: Literal["registered", "corrected", "revoked"]
    event_type: str
    ce_id: str
    subject: str
    generation: int
    period: str
    delivered_at: datetime | None
    product_index: str | None
    returns_index: str | None
    sealed: bytes
    score: int | None
    warnings: tuple[str, ...]
    partition: int
    position: int
    withdraws: int | None = None
    """Version that a revocation withdraws."""


@dataclass(frozen=True, slots=True)
class Supersede:
    """A version, if it is there and current, is replaced by the fact at `position`."""

    line: Line
    position: int


Change = PutVersion | Supersede


def fold(
    fact: Fact, content: LineContent | Shredded | None, recorded: Recorded, index_key: bytes
) -> tuple[Change, ...]:
    """The row changes that a fact asks for; applying them again changes nothing.

    `content` is what the fact seals: `Shredded` once a key is gone, None for a revocation, whose
    reason no lookup needs. `index_key` is the root key of blind indexes.
    """
    match fact:
        case RegisteredFact():
            return _entered(fact, REGISTERED, content, recorded, index_key)
        case CorrectedFact():
            entered = _entered(fact, CORRECTED, content, recorded, index_key)
            return (*entered, _replaced(fact, recorded))
        case RevokedFact():
            return (_withdrawn(fact, recorded), _replaced(fact, recorded))
        case _:
            assert_never(fact)


def row_of(put: PutVersion, delivered_at: datetime | None) -> dict[str, object]:
    """The columns of a version, with the time of delivery that it has or takes over."""
    return {
        "delivered_month": put.line.month,
        "pharmacy": put.line.pharmacy,
        "dguid": put.line.dguid,
        "version": put.line.version,
        "status": put.status,
        "event_type": put.event_type,
        "ce_id": put.ce_id,
        "subject": put.subject,
        "generation": put.generation,
        "period": put.period,
        "delivered_at": delivered_at,
        "product_index": put.product_index,
        "returns_index": put.returns_index,
        "sealed": put.sealed,
        "score": put.score,
        "warnings": list(put.warnings),
        "recorded_partition": put.partition,
        "recorded_position": put.position,
    }


def month_of(moment: datetime) -> date:
    """First day of the month of delivery, on a Belgian calendar."""
    return brussels.day_of(moment).replace(day=1)


def returns_index(index_key: bytes, pharmacy: str, dguid: str) -> str:
    """Under what the returns of a pharmacy's line are found."""
    return blind_index(index_key, RETURN_KIND, f"{pharmacy}/{dguid}")


def _entered(
    fact: RegisteredFact | CorrectedFact,
    event_type: str,
    content: LineContent | Shredded | None,
    recorded: Recorded,
    index_key: bytes,
) -> tuple[PutVersion, ...]:
    if not isinstance(content, LineContent):
        return ()
    line = Line(month_of(content.delivered_at), fact.pharmacy, fact.dguid, fact.version)
    return (
        PutVersion(
            line=line,
            status=fact.status,
            event_type=event_type,
            ce_id=recorded.ce_id,
            subject=fact.subject,
            generation=fact.generation,
            period=fact.period,
            delivered_at=content.delivered_at,
            product_index=_product_index(content, index_key),
            returns_index=_returns_index(fact.pharmacy, content, index_key),
            sealed=b64decode(fact.sealed),
            score=fact.score,
            warnings=fact.warnings,
            partition=recorded.partition,
            position=recorded.offset,
        ),
    )


def _withdrawn(fact: RevokedFact, recorded: Recorded) -> PutVersion:
    former = _superseded(fact)
    return PutVersion(
        line=Line(former.month, fact.pharmacy, fact.dguid, fact.version),
        status=fact.status,
        event_type=REVOKED,
        ce_id=recorded.ce_id,
        subject=fact.subject,
        generation=fact.generation,
        period=fact.period,
        delivered_at=None,
        product_index=None,
        returns_index=None,
        sealed=b64decode(fact.sealed),
        score=None,
        warnings=(),
        partition=recorded.partition,
        position=recorded.offset,
        withdraws=former.version,
    )


def _replaced(fact: CorrectedFact | RevokedFact, recorded: Recorded) -> Supersede:
    return Supersede(_superseded(fact), recorded.offset)


def _superseded(fact: CorrectedFact | RevokedFact) -> Line:
    month = date.fromisoformat(f"{fact.supersedes.month}-01")
    return Line(month, fact.pharmacy, fact.dguid, fact.supersedes.version)


def _product_index(content: LineContent, index_key: bytes) -> str | None:
    if not isinstance(content.product, MedicinalProduct):
        return None
    return product_index(index_key, content.product.cnk)


def _returns_index(pharmacy: str, content: LineContent, index_key: bytes) -> str | None:
    if content.returns is None:
        return None
    return returns_index(index_key, pharmacy, content.returns)
