"""Magistral preparations: exactly one of ingredients, formula or text, and ingredients in order.

Source: SMC magistralPreparation, domain reference 6.2.
"""

import re
from typing import Final

from schemas.dispensation import Compound, MagistralPreparation, SubmittedLine
from schemas.identifiers import cnk
from streams.quality.rules.base import Context, Findings, LineRule
from streams.quality.rules.product import is_known

_QUANTITY: Final = re.compile(r"\s*[0-9]{1,9}(?:[.,][0-9]{1,6})?\s*[^\s0-9.,:;/-]\S*(?: \S+)*\s*\Z")
"""A decimal number and its unit: 5 g, 0,25 mg, 1.5 million IU."""
_AS_NEEDED: Final = frozenset({"qs", "q.s.", "q.s", "q. s."})
"""Prefixes with which no quantity is stated: as much as suffices."""


def preparation(context: Context, line: SubmittedLine, _index: int) -> Findings:
    """Everything about a preparation but the filter."""
    product = line.product
    if product.kind != "magistral":
        return ()
    found = _form(product)
    if product.compounds:
        found += _order(product.compounds)
        for place, compound in enumerate(product.compounds):
            found += _compound(context, compound, f"/product/compounds/{place}")
    if product.formula_cnk is not None:
        found += _code(context, product.formula_cnk, "/product/formula_cnk")
    return found


def _form(product: MagistralPreparation) -> Findings:
    given = (bool(product.compounds), product.formula_cnk is not None, product.text is not None)
    if not any(given):
        return (("MAGISTRAL_EMPTY", "/product"),)
    if sum(given) > 1:
        return (("MAGISTRAL_AMBIGUOUS", "/product"),)
    if product.compounds and product.galenic_form is None:
        return (("GALENIC_FORM_MISSING", "/product/galenic_form"),)
    return ()


def _order(compounds: tuple[Compound, ...]) -> Findings:
    return tuple(
        ("COMPOUND_ORDER_DOUBTFUL", f"/product/compounds/{place}/order")
        for place in range(1, len(compounds))
        if compounds[place].order <= compounds[place - 1].order
    )


def _compound(context: Context, compound: Compound, path: str) -> Findings:
    found: Findings = ()
    if compound.cnk is not None:
        found += _code(context, compound.cnk, f"{path}/cnk")
    elif compound.name is None or not compound.name.strip():
        found += (("COMPOUND_UNNAMED", path),)
    if not _is_measured(compound):
        found += (("COMPOUND_QUANTITY_DOUBTFUL", f"{path}/quantity"),)
    return found


def _is_measured(compound: Compound) -> bool:
    if compound.quantity is None:
        return compound.prefix is not None and compound.prefix.strip().lower() in _AS_NEEDED
    return _QUANTITY.match(compound.quantity) is not None


def _code(context: Context, written: str, path: str) -> Findings:
    if is_known(context, written):
        return ()
    if not cnk.is_valid(written):
        return (("COMPOUND_CNK_INVALID", path),)
    return () if context.known is None else (("COMPOUND_CNK_UNKNOWN", path),)


RULES: Final = (
    LineRule(
        (
            "MAGISTRAL_EMPTY",
            "MAGISTRAL_AMBIGUOUS",
            "GALENIC_FORM_MISSING",
            "COMPOUND_ORDER_DOUBTFUL",
            "COMPOUND_UNNAMED",
            "COMPOUND_CNK_INVALID",
            "COMPOUND_CNK_UNKNOWN",
            "COMPOUND_QUANTITY_DOUBTFUL",
        ),
        preparation,
    ),
)
