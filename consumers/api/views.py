"""Lines of the record as a reader may see them: opened here, and only the fields permitted.

A line whose subject or day secret is gone is left out and counted as unreadable.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ValidationError

from consumers.api import metrics
from consumers.api.ports import Product as CatalogueEntry
from projections.netting import LineId, net
from projections.queries import HistoryRow
from schemas.audit import PositionUsed
from schemas.dispensation import LineContent, Posology, Prescription, Product, Regimen
from schemas.keyvault import KeyVault, PeriodSecret, SubjectSecret
from schemas.policy import HistoryField
from schemas.sealing import SealBroken
from schemas.sealing.facts import RecordSealer, record_keys

_PACKS: Final = 10_000
"""How many products are kept as they are shown: about as many as are on the market."""


class ProductView(BaseModel):
    """A product and, where the catalogue knows its code, its names, form and pack."""

    kind: Literal["cnk", "magistral", "unregistered"]
    cnk: str | None = None
    name_fr: str | None = None
    name_nl: str | None = None
    form: str | None = None
    pack: str | None = None
    detail: dict[str, Any] | None = None
    """Compounds, formula or description of a product that has no CNK."""


_SHOWN_WITH: Final[dict[str, HistoryField]] = {"regimen": "posology", "gtin": "batch"}
"""Members of a line that policies do not name: who sees the one sees the other."""


class LineView(BaseModel):
    """One dispensed line; members that the reader may not see are absent.

    A line whose `status` is `revoked` shows what was revoked. `left` are the units of a delivery
    that its returns left with the patient; 0 means that all of it came back.
    """

    dguid: str
    version: int
    status: str
    replaces: int | None = None
    """The version that this one corrects or revokes."""
    replaced_by: int | None = None
    """The version that corrected or revoked this one."""
    score: int | None = None
    warnings: tuple[str, ...] = ()
    sguid: str | None = None
    delivered_at: datetime | None = None
    pharmacy: str | None = None
    product: ProductView | None = None
    units: int | None = None
    posology: Posology | None = None
    prescription: Prescription | None = None
    returns: str | None = None
    batch: str | None = None
    expiry: str | None = None
    motivation: str | None = None
    regimen: Regimen | None = None
    gtin: str | None = None
    returned: int | None = None
    left: int | None = None


class WindowView(BaseModel):
    """The half-open period that was read."""

    start: datetime
    end: datetime


class HistoryAnswer(BaseModel):
    """One page of a history, newest delivery first."""

    lines: tuple[LineView, ...]
    unreadable: int = 0
    """Lines left out because their key is gone."""
    next: str | None = None
    """Cursor of the next page; absent on the last."""
    window: WindowView
    as_of: datetime
    policy_version: str
    positions: tuple[PositionUsed, ...]
    behind: int = 0
    """Records of all patients that were in the log and not in this answer's positions yet."""


@dataclass(frozen=True, slots=True)
class Opened:
    """Rows with their content, in the order of the rows, and how many could not be opened."""

    lines: tuple[tuple[HistoryRow, LineContent], ...]
    unreadable: int

    @property
    def identities(self) -> tuple[tuple[str, int], ...]:
        """(dguid, version) of each line, for the audit's digest."""
        return tuple((row.dguid, row.version) for row, _ in self.lines)


class _Visit(NamedTuple):
    """What the lines of a visit mostly have in common, and are opened with."""

    type_: str
    pharmacy: str
    version: int
    subject: str
    generation: int
    period: str


async def open_rows(vault: KeyVault, rows: Sequence[HistoryRow]) -> Opened:
    """Opens sealed lines with two round trips to the vault for the whole page."""
    if not rows:
        return Opened((), 0)
    subjects = await vault.find_subject_secrets({(r.subject, r.generation) for r in rows})
    periods = await vault.find_periods({r.period for r in rows})

    @cache
    def sealer_of(visit: _Visit) -> RecordSealer | None:
        """None if a secret is gone."""
        own = subjects.get((visit.subject, visit.generation))
        day = periods.get(visit.period)
        if not isinstance(own, SubjectSecret) or not isinstance(day, PeriodSecret):
            return None
        keys = record_keys(own.secret, day.secret, visit.version)
        return RecordSealer(keys, **visit._asdict())

    lines: list[tuple[HistoryRow, LineContent]] = []
    for row in rows:
        version = row.sealed_version or row.version
        sealer = sealer_of(
            _Visit(row.event_type, row.pharmacy, version, row.subject, row.generation, row.period)
        )
        if sealer is None:
            metrics.UNREADABLE_LINES.labels("shredded").inc()
            continue
        content = _open(row, sealer)
        if content is not None:
            lines.append((row, content))
    return Opened(tuple(lines), len(rows) - len(lines))


def _open(row: HistoryRow, sealer: RecordSealer) -> LineContent | None:
    try:
        return LineContent.read(sealer.unseal(row.ce_id, row.dguid, row.sealed))
    except (SealBroken, ValidationError):
        metrics.UNREADABLE_LINES.labels("broken").inc()
        return None


def show(
    lines: Iterable[tuple[HistoryRow, LineContent]],
    fields: Collection[HistoryField],
    products: Mapping[str, CatalogueEntry],
    returned: Mapping[LineId, int],
) -> tuple[LineView, ...]:
    """The lines with these fields and no others; `returned` is what came back of each."""
    more = (name for name, shown_with in _SHOWN_WITH.items() if shown_with in fields)
    names = (*fields, *more)
    return tuple(_line(row, content, names, products, returned) for row, content in lines)


def _line(
    row: HistoryRow,
    content: LineContent,
    names: Collection[str],
    products: Mapping[str, CatalogueEntry],
    returned: Mapping[LineId, int],
) -> LineView:
    shown: dict[str, Any] = {name: getattr(content, name) for name in names}
    if "product" in shown:
        shown["product"] = _product(content.product, products)
    if "units" in shown and row.stands:
        left = net((row.pharmacy, row.dguid), content.units, returned)
        shown |= {} if left is None else {"returned": left.returned, "left": left.left}
    return LineView(
        dguid=row.dguid,
        version=row.version,
        status=row.status,
        # A line's versions follow each other by one (streams.quality.lifecycle).
        replaces=row.version - 1 or None,
        replaced_by=None if row.superseded_position is None else row.version + 1,
        score=row.score,
        warnings=tuple(row.warnings),
        **shown,
    )


def _product(product: Product, products: Mapping[str, CatalogueEntry]) -> ProductView:
    if product.kind == "cnk":
        return _pack(product.cnk, products.get(product.cnk))
    detail = product.model_dump(mode="json", exclude={"kind"}, exclude_none=True)
    return ProductView(kind=product.kind, detail=detail)


@lru_cache(maxsize=_PACKS)
def _pack(cnk: str, known: CatalogueEntry | None) -> ProductView:
    """Of a code and what the catalogue knows of it; shown again and again, and never changed."""
    return ProductView(
        kind="cnk",
        cnk=cnk,
        name_fr=(known.name_fr or None) if known else None,
        name_nl=(known.name_nl or None) if known else None,
        form=(known.form or None) if known else None,
        pack=(known.pack or None) if known else None,
    )
