"""Reads the sample catalogue that ships with the package.

Codes and names are real; form, pack and usual posology were added by the project and are examples,
not advice. It is an extract for simulation and demo, never a source for care.
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final, Literal, cast

Kind = Literal["medicine", "magistral_ingredient", "homeopathic", "other"]
Language = Literal["fr", "nl"]
MAGISTRAL_CODE: Final = "2917110"
"""The generic code of a magistral preparation; it is no pack."""
FORMULARY_CODE: Final = "0589028"
"""A preparation of the national formulary."""


@dataclass(frozen=True, slots=True)
class Medicine:
    """One code of the catalogue.

    `units_min` to `units_max` packs are usual per dispensation; `weight` is how often it is
    dispensed relative to the others; `renewal_days` is after how many days a chronic patient comes
    back for it, 0 where it is not taken chronically.
    """

    cnk: str
    name_fr: str
    name_nl: str
    kind: Kind
    atc: str
    form: str
    pack: str
    posology_fr: str
    posology_nl: str
    units_min: int
    units_max: int
    weight: int
    renewal_days: int

    def name(self, language: Language) -> str:
        """The name in that language, or in the only one that is known."""
        first, second = self.name_fr, self.name_nl
        if language == "nl":
            first, second = second, first
        return first or second

    def posology(self, language: Language) -> str:
        """The usual posology in that language; empty for raw materials."""
        return self.posology_fr if language == "fr" else self.posology_nl


@cache
def load() -> tuple[Medicine, ...]:
    """Every row, sorted by code."""
    path = resources.files("consumers.catalogue") / "medicines.csv"
    rows = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    return tuple(_medicine(row) for row in rows)


@cache
def by_cnk() -> dict[str, Medicine]:
    """The rows by their code."""
    return {medicine.cnk: medicine for medicine in load()}


def _medicine(row: dict[str, str]) -> Medicine:
    return Medicine(
        cnk=row["cnk"],
        name_fr=row["name_fr"],
        name_nl=row["name_nl"],
        kind=cast("Kind", row["kind"]),
        atc=row["atc"],
        form=row["form"],
        pack=row["pack"],
        posology_fr=row["posology_fr"],
        posology_nl=row["posology_nl"],
        units_min=int(row["units_min"]),
        units_max=int(row["units_max"]),
        weight=int(row["weight"]),
        renewal_days=int(row["renewal_days"]),
    )
