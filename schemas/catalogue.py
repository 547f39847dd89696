"""What is known of a product code on a day: entries of the medicines catalogue, and the port to it.

A catalogue is a set of immutable versions, named like `sample/1`. A version holds for each CNK one
entry per period in which what is known of it did not change, so that a code is looked up as of the
delivery date. The quality policy names the version in force; with it a decision can be made again.
Source: DESIGN section 6, domain reference section 5 (SAM v2: every object has periods of validity).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Literal, Protocol, get_args

EntryKind = Literal["medicine", "ingredient", "preparation", "homeopathic", "other"]
"""What a code stands for; `ingredient` is a raw material, `preparation` a formula or its code."""
EntryStatus = Literal["authorized", "suspended", "revoked"]
"""State of the marketing authorisation in that period; products without one have none."""
KINDS: Final[tuple[EntryKind, ...]] = get_args(EntryKind)
STATUSES: Final[tuple[EntryStatus, ...]] = get_args(EntryStatus)
LANGUAGES: Final = ("fr", "nl", "de", "en")
"""Languages of a name, in the order in which another one stands in for a missing one."""
PUBLIC_PHARMACY: Final = "P"
"""Delivery environment of the pharmacy open to the public (SAM v2)."""


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """What one code stands for from `valid_from` to `valid_until`, both days included.

    `names` is by language, any of which may be missing; `atc`, `pack` and `form` are empty where
    the source has none. `environments` are the delivery environments (`P` public pharmacy, `H`
    hospital) in which the code is sold; empty where the source does not say.
    """

    cnk: str
    valid_from: date
    valid_until: date | None = None
    kind: EntryKind = "medicine"
    names: Mapping[str, str] = field(default_factory=dict)
    atc: str = ""
    pack: str = ""
    form: str = ""
    status: EntryStatus | None = None
    environments: tuple[str, ...] = ()

    def holds_on(self, day: date) -> bool:
        """Whether the day lies in the entry's period."""
        return self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)

    def name(self, language: str) -> str:
        """The name in that language, or in the first that is known; empty if none is."""
        known = (self.names.get(one) for one in (language, *LANGUAGES))
        return next((name for name in known if name), "")


def as_of(entries: Iterable[CatalogueEntry], day: date) -> CatalogueEntry | None:
    """The entry of one code that holds on the day; of several, the one that began last."""
    found = None
    for entry in entries:
        if entry.holds_on(day) and (found is None or entry.valid_from > found.valid_from):
            found = entry
    return found


class CatalogueUnavailable(Exception):
    """The catalogue did not answer; try again later. Nothing was decided."""


class Catalogue(Protocol):
    """Where entries are looked up; an adapter may keep what it read, for versions never change.

    Both methods raise `CatalogueUnavailable` when what they ask does not answer.
    """

    async def entries(
        self, version: str, cnks: Collection[str]
    ) -> Mapping[str, tuple[CatalogueEntry, ...]]:
        """The entries of these codes in one version, by code, earliest period first.

        A code that the version does not know is left out, and so is every code of a version that
        does not exist: ask `exists` for that.
        """
        ...

    async def exists(self, version: str) -> bool:
        """Whether the version was loaded completely."""
        ...
