"""Test publishers and test persons: fixed, invented, and the same on every backbone.

Pharmacy numbers begin with 00000, which no pharmacy's does. National numbers have no month and no
day of birth (`YY0000...`); all pass their check digits.
"""

from typing import Final

from schemas.identifiers import niss, pharmacy


def _pharmacy(place: int) -> str:
    first6 = f"{place:06d}"
    return first6 + pharmacy.check_digits(first6)


PHARMACY: Final = _pharmacy(1)
"""Enrolled for every event type; publishes nearly all of the cases."""
OTHER_PHARMACY: Final = _pharmacy(2)
"""Enrolled too; knows nothing of the first one's lines."""
LAPSED_PHARMACY: Final = _pharmacy(3)
"""Enrolled, and its contract is over."""
STRANGER: Final = _pharmacy(4)
"""Enrolled nowhere."""
ENROLLED: Final = (PHARMACY, OTHER_PHARMACY, LAPSED_PHARMACY)


def person(number: int) -> str:
    """A test person, numbered from 1 to 997, born in 1985."""
    return niss.with_check_digits(f"850000{number:03d}", born_from_2000=False)


CHILD: Final = niss.with_check_digits("190000903", born_from_2000=True)
"""Born in this century: other check digits."""
BIS_PERSON: Final = niss.with_check_digits("744000904", born_from_2000=False)
"""A BIS number, which has 40 added to the month of birth."""
WOMAN: Final = niss.with_check_digits("850000906", born_from_2000=False)
"""An even counter."""
UNASSIGNED: Final = niss.with_check_digits("850000999", born_from_2000=False)
"""A counter that is given to nobody."""
