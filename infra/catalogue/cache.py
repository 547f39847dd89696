"""Keeps what was looked up last. Versions never change, so nothing kept can grow stale."""

from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Final

from schemas.catalogue import Catalogue, CatalogueEntry

MAX_CODES: Final = 50_000
"""Codes kept: about all that Belgium's pharmacies dispense in a year, some 40 MB at most."""

Entries = tuple[CatalogueEntry, ...]


class CachedCatalogue:
    """Implements `schemas.catalogue.Catalogue` in front of another one.

    The codes used least recently make room. A code that a version does not know is kept as well,
    but only of a version that exists: one that does not may be loaded at any time.
    """

    def __init__(self, behind: Catalogue, *, max_codes: int = MAX_CODES) -> None:
        self._behind = behind
        self._max_codes = max_codes
        self._kept: OrderedDict[tuple[str, str], Entries] = OrderedDict()
        self._existing: set[str] = set()

    def __len__(self) -> int:
        return len(self._kept)

    async def entries(self, version: str, cnks: Collection[str]) -> Mapping[str, Entries]:
        """The entries of these codes in one version; asks behind it only for what is not kept."""
        if not await self.exists(version):
            return {}
        found = {cnk: kept for cnk in cnks if (kept := self._get(version, cnk)) is not None}
        missing = set(cnks) - found.keys()
        if missing:
            fetched = await self._behind.entries(version, missing)
            for cnk in missing:
                found[cnk] = fetched.get(cnk, ())
                self._keep(version, cnk, found[cnk])
        return {cnk: entries for cnk, entries in found.items() if entries}

    async def exists(self, version: str) -> bool:
        """Whether the version was loaded completely; asked only until it was."""
        if version not in self._existing and await self._behind.exists(version):
            self._existing.add(version)
        return version in self._existing

    def _get(self, version: str, cnk: str) -> Entries | None:
        found = self._kept.get((version, cnk))
        if found is not None:
            self._kept.move_to_end((version, cnk))
        return found

    def _keep(self, version: str, cnk: str, entries: Entries) -> None:
        self._kept[version, cnk] = entries
        self._kept.move_to_end((version, cnk))
        while len(self._kept) > self._max_codes:
            self._kept.popitem(last=False)
