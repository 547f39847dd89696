"""A catalogue held in memory: for the shipped sample, offline checks and tests."""

from collections.abc import Collection, Iterable, Mapping

from schemas.catalogue import CatalogueEntry


class MemoryCatalogue:
    """Implements `schemas.catalogue.Catalogue`; `versions` are its entries by version."""

    def __init__(self, versions: Mapping[str, Iterable[CatalogueEntry]]) -> None:
        self._versions = {version: _by_code(entries) for version, entries in versions.items()}

    async def entries(
        self, version: str, cnks: Collection[str]
    ) -> Mapping[str, tuple[CatalogueEntry, ...]]:
        """The entries of these codes in one version, by code; unknown codes are left out."""
        known = self._versions.get(version, {})
        return {cnk: known[cnk] for cnk in cnks if cnk in known}

    async def exists(self, version: str) -> bool:
        """Whether it was given this version."""
        return version in self._versions


def _by_code(entries: Iterable[CatalogueEntry]) -> dict[str, tuple[CatalogueEntry, ...]]:
    found: dict[str, list[CatalogueEntry]] = {}
    for entry in sorted(entries, key=lambda one: one.valid_from):
        found.setdefault(entry.cnk, []).append(entry)
    return {cnk: tuple(periods) for cnk, periods in found.items()}
