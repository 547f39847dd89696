"""What is left of a line after its returns; pure, and the same in whatever order they arrived.

A return is a line of its own with negative units that names the line it brings back. Only returns
that stand count, so a corrected return counts as corrected and a revoked one not at all. A return
whose line is not shown, not seen yet, or corrected away stands alone. Source: DESIGN section 6.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from schemas.dispensation import LineContent

LineId = tuple[str, str]
"""Pharmacy number and DGUID: a line's identity."""


@dataclass(frozen=True, slots=True)
class Net:
    """Units of a delivered line that came back, and that are left with the patient."""

    returned: int
    left: int


def brought_back(returns: Iterable[LineContent]) -> dict[LineId, int]:
    """Units that these returns bring back, by the line that they name."""
    found: dict[LineId, int] = {}
    for one in returns:
        if one.returns is not None and one.units < 0:
            line = (one.pharmacy, one.returns)
            found[line] = found.get(line, 0) - one.units
    return found


def net(line: LineId, units: int, returned: Mapping[LineId, int]) -> Net | None:
    """What became of a line of so many units; None for a return, which has nothing to be left.

    More may have come back than a later correction says was delivered: then nothing is left.
    """
    if units <= 0:
        return None
    back = returned.get(line, 0)
    return Net(back, max(0, units - back))
