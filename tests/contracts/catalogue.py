"""What every catalogue promises, as tests that each adapter's test class inherits.

A subclass brings a fixture `catalogue` that knows exactly the versions of `VERSIONS`.
"""

from collections.abc import Mapping
from datetime import date
from typing import Final

import pytest

from schemas.catalogue import Catalogue, CatalogueEntry, as_of

OLD: Final = CatalogueEntry(
    "5521950",
    date(2020, 1, 1),
    date(2022, 12, 31),
    names={"fr": "ancien", "nl": "oud", "de": "alt", "en": "old"},
    atc="N02BE01",
    pack="30",
    form="tablet",
    status="authorized",
    environments=("H", "P"),
)
NEW: Final = CatalogueEntry("5521950", date(2023, 1, 1), names={"fr": "nouveau"}, status="revoked")
GLYCEROL: Final = CatalogueEntry("0525337", date(1960, 1, 1), kind="ingredient")
LATER: Final = CatalogueEntry("5521950", date(2024, 1, 1), kind="other")
VERSIONS: Final[Mapping[str, tuple[CatalogueEntry, ...]]] = {
    "test/1": (NEW, OLD, GLYCEROL),
    "test/2": (LATER,),
}


class CatalogueContract:
    """Inherit, and add the fixture `catalogue`."""

    async def test_the_entries_of_a_code_come_earliest_first(self, catalogue: Catalogue) -> None:
        assert await catalogue.entries("test/1", ["5521950"]) == {"5521950": (OLD, NEW)}

    async def test_many_codes_are_looked_up_at_once_and_unknown_ones_left_out(
        self, catalogue: Catalogue
    ) -> None:
        found = await catalogue.entries("test/1", {"0525337", "5521950", "0039347", "", "x\u20ac"})
        assert found == {"0525337": (GLYCEROL,), "5521950": (OLD, NEW)}

    async def test_the_same_question_twice_gets_the_same_answer(self, catalogue: Catalogue) -> None:
        asked = ["5521950", "0039347"]
        assert await catalogue.entries("test/1", asked) == await catalogue.entries("test/1", asked)

    async def test_versions_do_not_mix(self, catalogue: Catalogue) -> None:
        assert await catalogue.entries("test/2", ["5521950", "0525337"]) == {"5521950": (LATER,)}
        found = await catalogue.entries("test/1", ["5521950"])
        assert as_of(found["5521950"], date(2024, 6, 1)) == NEW

    async def test_nothing_is_asked_and_nothing_found(self, catalogue: Catalogue) -> None:
        assert await catalogue.entries("test/1", []) == {}

    @pytest.mark.parametrize("version", ["test/3", "test", "", "TEST/1"])
    async def test_a_version_that_is_none_has_no_entries(
        self, catalogue: Catalogue, version: str
    ) -> None:
        assert not await catalogue.exists(version)
        assert await catalogue.entries(version, ["5521950"]) == {}

    async def test_a_version_that_was_loaded_exists(self, catalogue: Catalogue) -> None:
        assert await catalogue.exists("test/1")
        assert await catalogue.exists("test/2")
