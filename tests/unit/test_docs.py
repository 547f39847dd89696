"""The documents lead to each other, and every setting has a line in its table."""

import os
import re
from pathlib import Path

from infra.settings import Settings

ROOT = Path(__file__).parents[2]
SETTINGS = ROOT / "docs" / "operating" / "settings.md"
ROW = re.compile(r"^\| (`DPP_[^|]*) \| ([^|]*)\|", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#\s]+)")
PARTS = ROOT / "docs" / "benchmarks"
"""Texts and figures of which `docs/benchmarks.md` is made."""


def links(page: Path) -> set[Path]:
    """The places in this tree that a page names."""
    named = (one for one in LINK.findall(page.read_text()) if "://" not in one)
    return {Path(os.path.normpath(page.parent / one)) for one in named}


def pages() -> list[Path]:
    found = sorted(one for one in ROOT.glob("docs/**/*.md") if one.parent != PARTS)
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *found]


def test_every_link_leads_somewhere() -> None:
    dead = [(page, one) for page in pages() for one in links(page) if not one.exists()]
    assert not dead


def test_every_page_is_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    ahead = [ROOT / "README.md"]
    while ahead:
        place = ahead.pop()
        if place not in reached:
            reached.add(place)
            ahead += place.glob("*.md") if place.is_dir() else ()
            ahead += links(place) if place.suffix == ".md" else ()
    assert [page for page in pages() if page not in reached] == []


def rows() -> dict[str, str]:
    """The settings of the page with the default that it states."""
    found: dict[str, str] = {}
    for names, default in re.findall(
        r"^\| (`DPP_[^|]*) \| ([^|]*)\|", SETTINGS.read_text(), re.MULTILINE
    ):
        each = re.findall(r"`(DPP_\w+)`", names)
        told = [one.strip() for one in default.split(",")]
        found |= zip(each, told if len(told) == len(each) else told * len(each), strict=True)
    return found


def test_every_setting_stands_on_its_page_and_nothing_else_does() -> None:
    assert set(rows()) == {f"DPP_{name.upper()}" for name in Settings.model_fields}


def test_the_page_states_every_default_that_is_a_plain_value() -> None:
    told = rows()
    for name, one in Settings.model_fields.items():
        if isinstance(one.default, bool | int | float | str | Path):
            plain = f"{one.default:g}" if isinstance(one.default, float) else str(one.default)
            wanted = plain.lower() if isinstance(one.default, bool) else plain
            assert told[f"DPP_{name.upper()}"] == f"`{wanted}`"
