"""What a return asks of the line that it names.

A return is a line with negative units. It names a delivered line of the same patient, is of the
same product, and all returns of that line together bring back no more than was delivered. Source:
DESIGN section 6; domain reference, sections 7 and 10.3.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from schemas.dispensation import MedicinalProduct, Product
from schemas.identifiers import guid
from streams.quality.content import Delivered

ReturnFault = Literal[
    "RETURN_INVALID", "RETURN_PRODUCT_DIFFERS", "RETURN_TOO_MANY", "RETURN_NOT_COMPARED"
]


@dataclass(frozen=True, slots=True)
class Bringing:
    """A return: which line it names, its product, how many units come back (a positive number)."""

    returns: str
    product: Product
    units: int


def faults(
    bringing: Bringing, named: Delivered | None, others: Iterable[Delivered]
) -> tuple[ReturnFault, ...]:
    """What is wrong with a return of a line that stands for the same patient.

    `named` is that line's content, None where the keys of its day are gone. `others` are contents
    of the patient's other lines in the pharmacy, among them any earlier returns of the same line;
    the return's own earlier version is none of them.
    """
    if named is None:
        return ("RETURN_NOT_COMPARED",)
    if named.units <= 0:
        return ("RETURN_INVALID",)
    found: tuple[ReturnFault, ...] = ()
    if not _same_product(named.product, bringing.product):
        found += ("RETURN_PRODUCT_DIFFERS",)
    if brought_back(bringing.returns, others) + bringing.units > named.units:
        found += ("RETURN_TOO_MANY",)
    return found


def brought_back(dguid: str, lines: Iterable[Delivered]) -> int:
    """How many units of a line these lines return."""
    return -sum(
        line.units
        for line in lines
        if line.returns is not None and guid.compact(line.returns) == dguid
    )


def _same_product(delivered: Product, returned: Product) -> bool:
    """Codes must agree; what is described in words can be described otherwise."""
    if isinstance(delivered, MedicinalProduct) and isinstance(returned, MedicinalProduct):
        return delivered.cnk == returned.cnk
    return delivered.kind == returned.kind
