"""The rules over a body: a table of small pure functions, each yielding where its fault lies.

A message rule yields JSON pointers into the body, a line rule pointers below its line. `now` is
the broker's append time. Limits and severities are policy data; what is only doubtful warns, and
lowers the score, but never refuses. Sources: domain reference, sections 4, 7 and 10.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, assert_never

from schemas import brussels
from schemas.dispensation import (
    CorrectBody,
    MagistralPreparation,
    MedicinalProduct,
    RegisterBody,
    RevokeBody,
    SubmissionBody,
    SubmittedLine,
    UnregisteredProduct,
)
from schemas.identifiers import cnk, guid, nihdi, niss, rid
from schemas.policy import QualityPolicy

BEST_SCORE: Final = 100


@dataclass(frozen=True, slots=True)
class Context:
    """What every rule may look at; `repeated` are indexes of lines whose DGUID came before."""

    body: SubmissionBody
    policy: QualityPolicy
    appended_at: datetime
    repeated: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class MessageRule:
    """A rule about the whole submission."""

    code: str
    faults: Callable[[Context], Iterable[str]]


@dataclass(frozen=True, slots=True)
class LineRule:
    """A rule about one line of a registration or correction, by its index."""

    code: str
    faults: Callable[[Context, SubmittedLine, int], Iterable[str]]


def lines_of(body: SubmissionBody) -> tuple[SubmittedLine, ...]:
    """The lines of a body; a revocation has none."""
    match body:
        case RegisterBody() | CorrectBody():
            return body.lines
        case RevokeBody():
            return ()
        case _:
            assert_never(body)


def delivered_at(body: SubmissionBody) -> datetime | None:
    """When the visit took place; a revocation does not say."""
    return None if isinstance(body, RevokeBody) else body.delivered_at


def repeated_lines(lines: Iterable[SubmittedLine]) -> frozenset[int]:
    """Indexes of the lines whose DGUID an earlier line of the same submission has, in any case."""
    seen: set[str] = set()
    repeated: set[int] = set()
    for index, line in enumerate(lines):
        dguid = guid.compact(line.dguid)
        if dguid in seen:
            repeated.add(index)
        seen.add(dguid)
    return frozenset(repeated)


def score(warnings: Collection[str], policy: QualityPolicy) -> int:
    """Quality score of a line: 100 less the penalty of each distinct warning, at least 0."""
    penalties = (policy.penalties.get(code, policy.default_penalty) for code in set(warnings))
    return max(0, BEST_SCORE - sum(penalties))


def _visit(context: Context) -> Iterator[str]:
    if not guid.is_valid(context.body.sguid):
        yield "/sguid"


def _patient(context: Context) -> Iterator[str]:
    today = brussels.day_of(context.appended_at)
    if not niss.is_valid(context.body.patient.niss, on=today):
        yield "/patient/niss"


def _future(context: Context) -> Iterator[str]:
    moment = delivered_at(context.body)
    tolerance = timedelta(seconds=context.policy.future_tolerance_seconds)
    if moment is not None and moment > context.appended_at + tolerance:
        yield "/delivered_at"


def _too_old(context: Context) -> Iterator[str]:
    moment = delivered_at(context.body)
    horizon = brussels.months_back(context.appended_at, context.policy.retention_months)
    if moment is not None and moment < horizon:
        yield "/delivered_at"


def _late(context: Context) -> Iterator[str]:
    moment = delivered_at(context.body)
    limit = context.appended_at - timedelta(days=context.policy.late_after_days)
    if moment is not None and moment < limit and not any(_too_old(context)):
        yield "/delivered_at"


def _line_guids(_context: Context, line: SubmittedLine, _index: int) -> Iterator[str]:
    if not guid.is_valid(line.dguid):
        yield "/dguid"
    if line.returns is not None and not guid.is_valid(line.returns):
        yield "/returns"


def _repeated(context: Context, _line: SubmittedLine, index: int) -> Iterator[str]:
    if index in context.repeated:
        yield "/dguid"


def _product_code(_context: Context, line: SubmittedLine, _index: int) -> Iterator[str]:
    match line.product:
        case MedicinalProduct():
            if not cnk.is_valid(line.product.cnk):
                yield "/product/cnk"
        case MagistralPreparation() | UnregisteredProduct():
            return
        case _:
            assert_never(line.product)


def _ingredients(_context: Context, line: SubmittedLine, _index: int) -> Iterator[str]:
    if not isinstance(line.product, MagistralPreparation):
        return
    for place, compound in enumerate(line.product.compounds or ()):
        if compound.cnk is not None and not cnk.is_valid(compound.cnk):
            yield f"/product/compounds/{place}/cnk"
    formula = line.product.formula_cnk
    if formula is not None and not cnk.is_valid(formula):
        yield "/product/formula_cnk"


def _no_units(_context: Context, line: SubmittedLine, _index: int) -> Iterator[str]:
    if line.units == 0:
        yield "/units"


def _many_units(context: Context, line: SubmittedLine, _index: int) -> Iterator[str]:
    if abs(line.units) > context.policy.units_max:
        yield "/units"


def _return(_context: Context, line: SubmittedLine, _index: int) -> Iterator[str]:
    if line.returns is None:
        if line.units < 0:
            yield "/units"
    elif line.units > 0 or guid.compact(line.returns) == guid.compact(line.dguid):
        yield "/returns"


def _prescriber(_context: Context, line: SubmittedLine, _index: int) -> Iterator[str]:
    number = line.prescription.prescriber if line.prescription else None
    if number is not None and not nihdi.is_valid(number):
        yield "/prescription/prescriber"


def _prescription(_context: Context, line: SubmittedLine, _index: int) -> Iterator[str]:
    number = line.prescription.rid if line.prescription else None
    if number is not None and not rid.is_valid(number):
        yield "/prescription/rid"


MESSAGE_RULES: Final = (
    MessageRule("GUID_INVALID", _visit),
    MessageRule("NISS_INVALID", _patient),
    MessageRule("DELIVERY_IN_FUTURE", _future),
    MessageRule("DELIVERY_TOO_OLD", _too_old),
    MessageRule("LATE_ARRIVAL", _late),
)
LINE_RULES: Final = (
    LineRule("GUID_INVALID", _line_guids),
    LineRule("DGUID_REPEATED", _repeated),
    LineRule("CNK_INVALID", _product_code),
    LineRule("COMPOUND_CNK_INVALID", _ingredients),
    LineRule("UNITS_ZERO", _no_units),
    LineRule("UNITS_IMPLAUSIBLE", _many_units),
    LineRule("RETURN_INVALID", _return),
    LineRule("PRESCRIBER_INVALID", _prescriber),
    LineRule("RID_INVALID", _prescription),
)
"""Findings are reported in the order of these tables."""
