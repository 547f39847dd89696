"""How much: not nothing, not implausibly much, and negative exactly in a return."""

from typing import Final

from schemas.dispensation import SubmittedLine
from schemas.identifiers import cnk, guid
from streams.quality.rules.base import Context, Findings, LineRule
from streams.quality.rules.product import entry


def units(context: Context, line: SubmittedLine, _index: int) -> Findings:
    """The number of units by itself; limits are per product where policy data has some."""
    if line.units == 0:
        return (("UNITS_ZERO", "/units"),)
    limit = context.policy.units_max
    product = line.product
    if product.kind == "cnk":
        known = entry(context, product.cnk)
        limit = context.policy.units_limit(cnk.code(product.cnk) or "", known.atc if known else "")
    return (("UNITS_IMPLAUSIBLE", "/units"),) if abs(line.units) > limit else ()


def returned(_context: Context, line: SubmittedLine, _index: int) -> Findings:
    """Negative units name the line that is returned, another one; positive ones name none."""
    if line.returns is None:
        return (("RETURN_INVALID", "/units"),) if line.units < 0 else ()
    if line.units > 0 or guid.compact(line.returns) == guid.compact(line.dguid):
        return (("RETURN_INVALID", "/returns"),)
    return ()


RULES: Final = (
    LineRule(("UNITS_ZERO", "UNITS_IMPLAUSIBLE"), units),
    LineRule(("RETURN_INVALID",), returned),
)
