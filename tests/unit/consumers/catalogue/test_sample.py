"""The shipped sample as a version of the catalogue."""

import hashlib
from importlib import resources

from consumers.catalogue.catalogue import FORMULARY_CODE, MAGISTRAL_CODE, load
from consumers.catalogue.sample import (
    TEST_PRODUCTS,
    VALID_FROM,
    VERSION,
    entries,
    sample_catalogue,
)
from schemas.identifiers import cnk

SHA256 = "406c8f871a454757861ef19aec3f44924b4e4ccda489b661260994faee4e8836"


def test_its_content_stays_what_its_name_says() -> None:
    content = (resources.files("consumers.catalogue") / "medicines.csv").read_bytes()
    assert hashlib.sha256(content).hexdigest() == SHA256, "give a changed sample a new version name"


def test_every_row_is_an_entry_without_end() -> None:
    made = [one for one in entries() if one not in TEST_PRODUCTS]
    assert [one.cnk for one in made] == [one.cnk for one in load()]
    assert {(one.valid_from, one.valid_until) for one in made} == {(VALID_FROM, None)}
    assert all(one.name("fr") for one in made)


def test_the_test_products_are_none_of_the_rows_and_pass_their_check_digits() -> None:
    assert {one.cnk for one in TEST_PRODUCTS}.isdisjoint(one.cnk for one in load())
    assert len({one.cnk for one in TEST_PRODUCTS}) == len(TEST_PRODUCTS)
    assert all(cnk.is_valid(one.cnk) for one in TEST_PRODUCTS)
    assert entries()[-len(TEST_PRODUCTS) :] == TEST_PRODUCTS


def test_preparations_and_their_ingredients_are_told_apart() -> None:
    kinds = {one.cnk: one.kind for one in entries()}
    assert kinds[MAGISTRAL_CODE] == kinds[FORMULARY_CODE] == "preparation"
    assert kinds["0525337"] == "ingredient"
    assert set(kinds.values()) == {
        *("medicine", "ingredient", "preparation", "homeopathic", "other")
    }


async def test_it_is_a_catalogue_of_one_version() -> None:
    catalogue = sample_catalogue()
    assert await catalogue.exists(VERSION)
    assert (await catalogue.entries(VERSION, ["0039347"]))["0039347"][0].atc == "N02BE01"
