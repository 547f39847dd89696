"""Consumption of products for authorities: by product or ATC group, region and month.

It is counted from a projection that names no subject, with small cells hidden, and recorded under
the authority before it is answered.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Final

from pydantic import BaseModel

from consumers.api import operators
from consumers.api.audit import positions_used
from consumers.api.forms import ConsumptionForm
from consumers.api.freshness import behind
from consumers.api.operators import Operator, Reading
from consumers.api.ports import Dependencies, Product
from consumers.api.problems import FieldIssue, Problem
from consumers.api.settling import access_policy, step
from projections import aggregates
from projections.aggregates import Cell, Counted
from projections.authorities import may
from projections.folds.product_recall import product_index
from projections.suppression import TOTAL
from schemas import brussels
from schemas.audit import OperationsParameters, PositionUsed, Window
from schemas.policy import AggregatesRule
from schemas.topics import DISPENSATION_RECORDED

ENDPOINT: Final = "/v1/authorities/consumption"
PURPOSE: Final = "consumption"
PROJECTION: Final = "consumption"
KEPT_MONTHS: Final = 12
"""How long a line is readable."""
ATC_CHARS: Final = 7


class CellView(BaseModel):
    """One region and month, or the country where no region stands; figures are absent if hidden."""

    month: str
    region: str | None = None
    hidden: bool = False
    lines: int | None = None
    """Deliveries."""
    units: int | None = None
    """Packs, less those that came back."""
    left_out: int = 0
    """ATC codes of the group whose part is hidden and not in the figures."""


class ConsumptionAnswer(BaseModel):
    """Closed months, the earliest first; cells of fewer than `min_lines` deliveries are hidden."""

    cnk: str | None = None
    atc: str | None = None
    cells: tuple[CellView, ...]
    min_lines: int
    as_of: datetime
    policy_version: str
    positions: tuple[PositionUsed, ...]
    behind: int
    """Records that the log had and the projections had not applied, of everybody."""


async def answer(
    deps: Dependencies, authority: Operator, form: ConsumptionForm
) -> ConsumptionAnswer:
    """Counts, hides, records, answers.

    Raises:
        Problem: 400 no product or group of the catalogue, 403 no mandate, 503 not recorded.
    """
    now = deps.clock()
    version, policy = access_policy(deps, now)
    codes = _codes(deps.products, form)
    months = aggregates.closed_months(now, policy.aggregates.closed_after_days, KEPT_MONTHS)
    permitted = may(authority.principal.organisation, "consumption", policy, now)
    positions = positions_used(deps, PROJECTION, DISPENSATION_RECORDED.name)
    cells: tuple[Cell, ...] = ()
    if permitted and months:
        with step("fetch"):
            cells = await _count(deps, form, codes, months, policy.aggregates)
    reading = Reading(
        operator=authority,
        purpose=PURPOSE if permitted else f"{PURPOSE}_refused",
        parameters=OperationsParameters(
            endpoint=ENDPOINT, code=form.cnk or form.atc, window=_window(months)
        ),
        read_at=now,
        positions=positions,
        cells=tuple((one.month.isoformat(), one.region, str(one.lines)) for one in cells),
    )
    missing = await behind(deps, positions)
    with step("audit"):
        await operators.record(deps, reading)
    if not permitted:
        raise Problem(403, "access-refused")
    return ConsumptionAnswer(
        cnk=form.cnk,
        atc=form.atc,
        cells=tuple(_view(one) for one in cells),
        min_lines=policy.aggregates.min_lines,
        as_of=now,
        policy_version=version.version,
        positions=positions,
        behind=missing,
    )


def _codes(products: Mapping[str, Product], form: ConsumptionForm) -> Sequence[str]:
    """The whole ATC codes that the answer is cut from."""
    if (form.cnk is None) == (form.atc is None):
        raise Problem(400, "malformed-request", [FieldIssue(path="", code="cnk-or-atc")])
    if form.cnk is not None:
        known = products.get(form.cnk)
        if known is None or len(known.atc) != ATC_CHARS:
            raise Problem(400, "malformed-request", [FieldIssue(path="/cnk", code="unknown")])
        return [known.atc]
    wanted = form.atc or ""
    found = {one.atc for one in products.values() if len(one.atc) == ATC_CHARS}
    codes = sorted(code for code in found if code.startswith(wanted))
    if not codes:
        raise Problem(400, "malformed-request", [FieldIssue(path="/atc", code="unknown")])
    return codes


async def _count(
    deps: Dependencies,
    form: ConsumptionForm,
    codes: Sequence[str],
    months: Sequence[date],
    rule: AggregatesRule,
) -> tuple[Cell, ...]:
    key = await deps.vault.root_key("index")
    wanted = set(codes)
    products = {
        product_index(key, cnk): (cnk, one.atc)
        for cnk, one in deps.products.items()
        if one.atc in wanted
    }
    window = _window(months)
    rows = await deps.store.consumption(products=list(products), start=window.start, end=window.end)
    counted = [
        Counted(
            month=row.month,
            atc=products[row.product_index][1],
            cnk=products[row.product_index][0],
            region=rule.region(row.pharmacy),
            lines=row.lines,
            units=row.units,
        )
        for row in rows
    ]
    regions = sorted({*rule.regions.values(), "unknown"})
    tables = aggregates.protect(counted, regions, rule.min_lines)
    if form.cnk is not None:
        return aggregates.of_product(tables, codes[0], form.cnk, months, regions)
    return aggregates.of_group(tables, codes, months, regions)


def _window(months: Sequence[date]) -> Window:
    first = months[0]
    return Window(
        start=brussels.start_of_day(first),
        end=brussels.start_of_day(brussels.shift_months(months[-1], 1)),
    )


def _view(cell: Cell) -> CellView:
    return CellView(
        month=f"{cell.month:%Y-%m}",
        region=None if cell.region == TOTAL else cell.region,
        hidden=cell.lines is None,
        lines=cell.lines,
        units=cell.units,
        left_out=cell.left_out,
    )
