"""What was dispensed: the product filter, the catalogue on the delivery day, the check digit.

The order is that of what is known better. What the filter removes is not judged any further. A code
that the catalogue knows is never refused for its check digit, for some real codes fail it; one that
it does not know is refused if it fails, and doubtful if it passes. Source: domain reference 4.2, 5
and 10.2.
"""

from typing import Final, assert_never

from schemas.catalogue import PUBLIC_PHARMACY, CatalogueEntry, as_of
from schemas.dispensation import (
    MagistralPreparation,
    MedicinalProduct,
    SubmittedLine,
    UnregisteredProduct,
)
from schemas.identifiers import cnk
from streams.quality.rules.base import Context, Findings, LineRule

_PATH: Final = "/product/cnk"
_FORMULA: Final = "/product/formula_cnk"
_DESCRIPTION: Final = "/product/description"
_STATUS: Final = {"suspended": "CNK_SUSPENDED", "revoked": "CNK_REVOKED"}


def product_code(context: Context, line: SubmittedLine, _index: int) -> Findings:
    """The code of a product with one; a preparation's belong to the rules of preparations."""
    product = line.product
    match product:
        case MedicinalProduct():
            return _medicinal(context, product.cnk)
        case MagistralPreparation():
            return _filtered_formula(context, product)
        case UnregisteredProduct():
            return _described(context, product)
        case _:
            assert_never(product)


def entry(context: Context, written: str) -> CatalogueEntry | None:
    """What the catalogue says of a code on the delivery day, or else last said of it."""
    code = cnk.code(written)
    if context.known is None or code is None:
        return None
    periods = context.known.get(code, ())
    found = as_of(periods, context.day) if context.day is not None else None
    return periods[-1] if found is None and periods else found


def is_known(context: Context, written: str) -> bool:
    """Whether the catalogue knows the code, on whatever day."""
    return entry(context, written) is not None


def _medicinal(context: Context, written: str) -> Findings:
    code = cnk.code(written)
    sieve = context.policy.product_filter
    if sieve is not None and code is not None and sieve.products.removes(code):
        return (("PRODUCT_FILTERED", _PATH),)
    known = entry(context, written)
    if known is not None:
        return _on_the_day(context, known)
    if not cnk.is_valid(written):
        return (("CNK_INVALID", _PATH),)
    return () if context.known is None else (("CNK_UNKNOWN", _PATH),)


def _on_the_day(context: Context, known: CatalogueEntry) -> Findings:
    if context.day is not None and not known.holds_on(context.day):
        return (("CNK_NOT_VALID_THEN", _PATH),)
    found: Findings = ()
    if known.status in _STATUS:
        found += ((_STATUS[known.status], _PATH),)
    if known.environments and PUBLIC_PHARMACY not in known.environments:
        found += (("CNK_NOT_PUBLIC", _PATH),)
    return found


def _filtered_formula(context: Context, product: MagistralPreparation) -> Findings:
    sieve, code = context.policy.product_filter, cnk.code(product.formula_cnk or "")
    if sieve is not None and code is not None and sieve.preparations.removes(code):
        return (("PRODUCT_FILTERED", _FORMULA),)
    return ()


def _described(context: Context, product: UnregisteredProduct) -> Findings:
    text = product.description.strip()
    if text and cnk.code(text) is None:
        return ()
    if text and not cnk.is_valid(text) and not is_known(context, text):
        return ()
    return (("UNREGISTERED_DOUBTFUL", _DESCRIPTION),)


RULES: Final = (
    LineRule(
        (
            "PRODUCT_FILTERED",
            "CNK_INVALID",
            "CNK_UNKNOWN",
            "CNK_NOT_VALID_THEN",
            "CNK_SUSPENDED",
            "CNK_REVOKED",
            "CNK_NOT_PUBLIC",
            "UNREGISTERED_DOUBTFUL",
        ),
        product_code,
    ),
)
