"""What ships of the access policy: values that cannot be taken for real ones, and their page."""

import re
from pathlib import Path

from schemas.identifiers import cbe
from schemas.policy import AccessPolicy, shipped

PAGE = Path(__file__).parents[3] / "docs" / "access-policy.md"


def test_authorities_have_stand_in_numbers_that_check_and_look_like_none() -> None:
    text = PAGE.read_text()
    for version in shipped("access"):
        for one in version.access.authorities:
            assert cbe.is_valid(one.authority)
            assert one.authority.startswith("0000000")
            assert "stand-in" in one.name
            assert one.authority in text


def test_regions_are_called_by_nothing_but_their_digit() -> None:
    for version in shipped("access"):
        regions = version.access.aggregates.regions
        assert all(name == f"region {digit}" for digit, name in regions.items())


def test_the_page_explains_every_member() -> None:
    named = set(re.findall(r"`([a-z_]+)(?:\.[a-z_]+)?`", PAGE.read_text()))
    assert set(AccessPolicy.model_fields) - {"policy"} <= named
