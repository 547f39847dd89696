"""Dispensation lines, one row per version, each knowing which fact replaced it.

The shell opens the seal before folding, because the row is found by delivery time and product. A
version whose keys are gone has no row, but still replaces the one before it. The month of a row is
that of its delivery on a Belgian calendar; a correction may move a line to another month and to
another subject. Source: DESIGN sections 4.2 and 7.
"""

from datetime import date, datetime
from typing import Final, Literal, NamedTuple, assert_never

from projections.folds.access_state import Recorded
from projections.folds.product_recall import product_index
from schemas.brussels import BRUSSELS
from schemas.dispensation import (
    CORRECTED,
    REGISTERED,
    REVOKED,
    CorrectedFact,
    LineContent,
    LineSummary,
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
Content = LineSummary | LineContent
"""What a fact seals, as far as it is read here."""


class Line(NamedTuple):
    """Where one version of a line is found: month of delivery (its first day) and identity."""

    month: date
    pharmacy: str
    dguid: str
    version: int


class PutVersion(NamedTuple):
    """A version enters, unless it is there already or its subject's generation was erased.

    All but the last are its columns, in their order. `delivered_at` None: a revocation, which takes
    it from the version in `withdraws` and enters only if that one is there. `sealed` is
    nonce || ciphertext || tag.
    """

    delivered_month: date
    pharmacy: str
    dguid: str
    version: int
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
    warnings: list[str]
    recorded_partition: int
    recorded_position: int
    withdraws: int | None = None
    """Version that a revocation withdraws."""

    @property
    def line(self) -> Line:
        """Where it is found."""
        return Line(*self[:4])


class Supersede(NamedTuple):
    """A version, if it is there and current, is replaced by the fact at `position`."""

    line: Line
    position: int


Change = PutVersion | Supersede


def fold(
    fact: Fact, content: Content | Shredded | None, recorded: Recorded, index_key: bytes
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
    row: dict[str, object] = put._asdict()
    del row["withdraws"]
    return {**row, "delivered_at": delivered_at}


def month_of(moment: datetime) -> date:
    """First day of the month of delivery, on a Belgian calendar."""
    local = moment.astimezone(BRUSSELS)
    return date(local.year, local.month, 1)


def returns_index(index_key: bytes, pharmacy: str, dguid: str) -> str:
    """Under what the returns of a pharmacy's line are found."""
    return blind_index(index_key, RETURN_KIND, f"{pharmacy}/{dguid}")


def _entered(
    fact: RegisteredFact | CorrectedFact,
    event_type: str,
    content: Content | Shredded | None,
    recorded: Recorded,
    index_key: bytes,
) -> tuple[PutVersion, ...]:
    if content is None or isinstance(content, Shredded):
        return ()
    # By place, in the order of the fields: by name it takes three times as long.
    put = PutVersion(
        month_of(content.delivered_at),
        fact.pharmacy,
        fact.dguid,
        fact.version,
        fact.status,
        event_type,
        recorded.ce_id,
        fact.subject,
        fact.generation,
        fact.period,
        content.delivered_at,
        _product_index(content, index_key),
        _returns_index(fact.pharmacy, content, index_key),
        b64decode(fact.sealed),
        fact.score,
        list(fact.warnings),
        recorded.partition,
        recorded.offset,
    )
    return (put,)


def _withdrawn(fact: RevokedFact, recorded: Recorded) -> PutVersion:
    former = _superseded(fact)
    return PutVersion(
        delivered_month=former.month,
        pharmacy=fact.pharmacy,
        dguid=fact.dguid,
        version=fact.version,
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
        warnings=[],
        recorded_partition=recorded.partition,
        recorded_position=recorded.offset,
        withdraws=former.version,
    )


def _replaced(fact: CorrectedFact | RevokedFact, recorded: Recorded) -> Supersede:
    return Supersede(_superseded(fact), recorded.offset)


def _superseded(fact: CorrectedFact | RevokedFact) -> Line:
    month = date.fromisoformat(f"{fact.supersedes.month}-01")
    return Line(month, fact.pharmacy, fact.dguid, fact.supersedes.version)


def _product_index(content: Content, index_key: bytes) -> str | None:
    if not isinstance(content.product, MedicinalProduct):
        return None
    return product_index(index_key, content.product.cnk)


def _returns_index(pharmacy: str, content: Content, index_key: bytes) -> str | None:
    if content.returns is None:
        return None
    return returns_index(index_key, pharmacy, content.returns)
