"""The catalogue in memory and the cache in front of any."""

from collections.abc import Collection, Mapping

import pytest

from infra.catalogue.cache import CachedCatalogue
from infra.catalogue.loading import LoadRefused, require_name
from infra.catalogue.memory import MemoryCatalogue
from schemas.catalogue import Catalogue, CatalogueEntry
from tests.contracts.catalogue import GLYCEROL, NEW, OLD, VERSIONS, CatalogueContract


class Counting:
    """Counts what is asked of the catalogue behind."""

    def __init__(self, behind: Catalogue) -> None:
        self.behind = behind
        self.asked: list[set[str]] = []
        self.existence = 0

    async def entries(
        self, version: str, cnks: Collection[str]
    ) -> Mapping[str, tuple[CatalogueEntry, ...]]:
        self.asked.append(set(cnks))
        return await self.behind.entries(version, cnks)

    async def exists(self, version: str) -> bool:
        self.existence += 1
        return await self.behind.exists(version)


@pytest.fixture
def behind() -> Counting:
    return Counting(MemoryCatalogue(VERSIONS))


class TestMemory(CatalogueContract):
    @pytest.fixture
    def catalogue(self) -> MemoryCatalogue:
        return MemoryCatalogue(VERSIONS)


class TestCached(CatalogueContract):
    @pytest.fixture
    def catalogue(self, behind: Counting) -> CachedCatalogue:
        return CachedCatalogue(behind, max_codes=2)


async def test_what_was_found_or_missed_is_not_asked_again(behind: Counting) -> None:
    cached = CachedCatalogue(behind)
    await cached.entries("test/1", ["5521950", "0039347"])
    found = await cached.entries("test/1", ["5521950", "0039347", "0525337"])
    assert found == {"5521950": (OLD, NEW), "0525337": (GLYCEROL,)}
    assert behind.asked == [{"5521950", "0039347"}, {"0525337"}]
    assert behind.existence == 1


async def test_the_code_used_least_recently_makes_room(behind: Counting) -> None:
    cached = CachedCatalogue(behind, max_codes=2)
    for code in ("5521950", "0525337", "5521950", "0039347", "5521950", "0525337"):
        await cached.entries("test/1", [code])
    assert behind.asked == [{"5521950"}, {"0525337"}, {"0039347"}, {"0525337"}]
    assert len(cached) == 2


async def test_a_batch_larger_than_the_cache_is_answered_whole(behind: Counting) -> None:
    cached = CachedCatalogue(behind, max_codes=1)
    found = await cached.entries("test/1", ["5521950", "0525337", "0039347"])
    assert found.keys() == {"5521950", "0525337"}
    assert len(cached) == 1


async def test_a_version_loaded_later_is_found_although_it_was_asked_for_before() -> None:
    behind = Counting(MemoryCatalogue({}))
    cached = CachedCatalogue(behind)
    assert await cached.entries("test/1", ["5521950"]) == {}
    behind.behind = MemoryCatalogue(VERSIONS)
    assert (await cached.entries("test/1", ["5521950"])).keys() == {"5521950"}


@pytest.mark.parametrize("name", ["sample/1", "sam/2026-01-15", "a/b", "sam/5.1_x"])
def test_a_version_is_named_by_what_it_is_and_which(name: str) -> None:
    require_name(name)


@pytest.mark.parametrize("name", ["", "sam", "sam/", "/1", "Sam/1", "sam/1/2", "sam/1\n", "s m/1"])
def test_a_version_is_named_by_what_it_is_and_which_bad(name: str) -> None:
    with pytest.raises(LoadRefused, match="is no name of a version"):
        require_name(name)
