"""Pharmacies, persons and caregivers that do not exist.

National numbers are of the form `YY0000SSSCC`: month and day unknown, so they give no birth date,
and valid by their check digits; a few are BIS numbers. All names are invented. The same seed gives
the same people, at any time.
"""

import random
from dataclasses import dataclass
from typing import Final, Literal

from consumers.catalogue.catalogue import Language
from schemas.identifiers import nihdi, niss, pharmacy

Profession = Literal["physician", "nurse", "pharmacist"]
Habit = Literal["occasional", "chronic", "heavy"]

HABIT_SHARES: Final[dict[Habit, float]] = {"occasional": 0.67, "chronic": 0.30, "heavy": 0.03}
BIS_SHARE: Final = 0.03
MOD_89_SHARE: Final = 0.3
"""Share of physicians with a number from after April 2019, which is checked modulo 89."""
CAST: Final[tuple[Habit, ...]] = ("heavy",) + ("chronic",) * 5 + ("occasional",) * 2
"""Habits of the first persons, whom the demo's personas are cast from."""
_ADULT_YEARS: Final = range(1928, 2008)
_CHILD_YEARS: Final = range(2014, 2024)
_CHILDREN_SHARE: Final = 0.1
SPEAKING: Final = len(CAST) + 4
"""So many of the first persons are of age: they are cast, or register for themselves."""
_CENTURY: Final = 2000

_GIVEN: Final = {
    "female": "Elvira Noor Camille Fien Louise Hanne Inès Marit Zita Yasmina Odile Tuur-Anne",
    "male": "Achille Bram Cyrille Daan Émile Ferre Gaspard Hasan Ilias Joris Lowie Maurice",
}
_FAMILY: Final = (
    "Aerdenbosch Bellefontaine Craenhals Duvivier-Roux Engelbeen Fosseprez Grootjans Hollebeek "
    "Imbrechtsen Jolimont Kwaadmechel Lambrechaux Moerenhoudt Noirhomme Oosterdael Pirotteau "
    "Quaetpeerd Ravignat Steenwinckel Trouillet Uyttendriesch Vandermolenaer Wauthierre Zwaenepoort"
)
_MUNICIPALITIES: Final = (
    "Zonnebeek Belleval Oudekerke Vieux-Ry Lindedorp Montfleur Waterhoek Clairbois Heidebos "
    "Pont-aux-Saules Duinrade Rochebelle"
)
_PHARMACY_NAMES: Final = (
    "Apotheek De Linde|Pharmacie du Parc|Apotheek Ter Duinen|Pharmacie de la Fontaine|"
    "Apotheek 't Zonneke|Pharmacie des Tilleuls|Apotheek De Molen|Pharmacie Saint-Éloi|"
    "Apotheek Aan de Vaart|Pharmacie du Beffroi"
)


@dataclass(frozen=True, slots=True)
class Pharmacy:
    """A pharmacy that publishes."""

    number: str
    name: str
    municipality: str
    language: Language


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who gets medicines, mostly from the first of `pharmacies`."""

    niss: str
    name: str
    sex: Literal["female", "male"]
    language: Language
    habit: Habit
    pharmacies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Caregiver:
    """A physician, nurse or pharmacist; `organisation` is the number of a pharmacist's pharmacy."""

    niss: str
    nihdi: str
    name: str
    profession: Profession
    organisation: str | None = None


@dataclass(frozen=True, slots=True)
class Population:
    """Everybody; no two share a number. `strangers` are pharmacies that nobody enrolled."""

    pharmacies: tuple[Pharmacy, ...]
    strangers: tuple[str, ...]
    lapsed: Pharmacy
    """A pharmacy that is enrolled, and whose contract is over."""
    persons: tuple[Person, ...]
    physicians: tuple[Caregiver, ...]
    nurses: tuple[Caregiver, ...]
    pharmacists: tuple[Caregiver, ...]


@dataclass(frozen=True, slots=True)
class SimulationSize:
    """How much is simulated; `lines` is what the ordinary year comes to, before defects."""

    pharmacies: int = 60
    persons: int = 2_000
    lines: int = 20_000


def seeded(*parts: object) -> random.Random:
    """A generator for one purpose: the same parts give the same draws."""
    return random.Random("/".join(map(str, parts)))  # noqa: S311 - a simulation, no secrets


def populate(seed: int, size: SimulationSize) -> Population:
    """The people and pharmacies of a seed.

    Raises:
        ValueError: fewer than 3 pharmacies or 30 persons, with which the personas cannot be cast.
    """
    if size.pharmacies < 3 or size.persons < 30:  # noqa: PLR2004 - stated in the docstring
        raise ValueError("A simulation needs at least 3 pharmacies and 30 persons.")
    numbers = _Numbers(seeded(seed, "numbers"))
    rng = seeded(seed, "population")
    pharmacies = tuple(_pharmacy(rng, numbers, at) for at in range(size.pharmacies))
    lapsed = _pharmacy(rng, numbers, size.pharmacies)
    chosen = [one.number for one in pharmacies]
    habits = rng.choices(list(HABIT_SHARES), list(HABIT_SHARES.values()), k=size.persons)
    habits[: len(CAST)] = CAST
    persons = tuple(
        _person(rng, numbers, chosen, habit, adult=at < SPEAKING) for at, habit in enumerate(habits)
    )
    many = max(4, size.pharmacies)
    return Population(
        pharmacies=pharmacies,
        strangers=tuple(numbers.pharmacy() for _ in range(3)),
        lapsed=lapsed,
        persons=persons,
        physicians=tuple(_caregiver(rng, numbers, "physician") for _ in range(many)),
        nurses=tuple(_caregiver(rng, numbers, "nurse") for _ in range(4)),
        pharmacists=tuple(_caregiver(rng, numbers, "pharmacist", number) for number in chosen),
    )


class _Numbers:
    """Draws numbers that were not drawn before."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._used: set[str] = set()

    def _fresh(self, first: str) -> bool:
        fresh = first not in self._used
        self._used.add(first)
        return fresh

    def pharmacy(self) -> str:
        while True:
            first6 = f"9{self._rng.randrange(100_000):05d}"
            if self._fresh(first6):
                return first6 + pharmacy.check_digits(first6)

    def person(self, sex: Literal["female", "male"], *, adult: bool = True) -> str:
        month = "40" if self._rng.random() < BIS_SHARE else "00"
        child = self._rng.random() < _CHILDREN_SHARE and not adult
        while True:
            born = self._rng.choice(_CHILD_YEARS if child else _ADULT_YEARS)
            counter = self._rng.randrange(1, 998, 2) + (sex == "female")
            first9 = f"{born % 100:02d}{month}00{counter:03d}"
            if self._fresh(first9):
                return niss.with_check_digits(first9, born >= _CENTURY)

    def caregiver(self, digit: str, *, newer: bool, qualification: str) -> str:
        while True:
            first6 = f"{digit}{self._rng.randrange(1, 100_000):05d}"
            if self._fresh(f"nihdi {first6}"):
                check = nihdi.check_digits(first6, modulus=89 if newer else 97)
                return first6 + check + qualification


def _pharmacy(rng: random.Random, numbers: _Numbers, at: int) -> Pharmacy:
    names = _PHARMACY_NAMES.split("|")
    name = names[at % len(names)]
    municipality = rng.choice(_MUNICIPALITIES.split())
    return Pharmacy(
        number=numbers.pharmacy(),
        name=f"{name} {municipality}",
        municipality=municipality,
        language="nl" if name.startswith("Apotheek") else "fr",
    )


def _name(rng: random.Random, sex: Literal["female", "male"]) -> str:
    return f"{rng.choice(_GIVEN[sex].split())} {rng.choice(_FAMILY.split())}"


def _sex(rng: random.Random) -> Literal["female", "male"]:
    return "female" if rng.random() < 0.5 else "male"  # noqa: PLR2004 - a coin


def _person(
    rng: random.Random, numbers: _Numbers, pharmacies: list[str], habit: Habit, *, adult: bool
) -> Person:
    sex = _sex(rng)
    return Person(
        niss=numbers.person(sex, adult=adult),
        name=_name(rng, sex),
        sex=sex,
        language="nl" if rng.random() < 0.57 else "fr",  # noqa: PLR2004 - about Belgium's share
        habit=habit,
        pharmacies=tuple(rng.sample(pharmacies, 3 if habit == "heavy" else 2)),
    )


def _caregiver(
    rng: random.Random, numbers: _Numbers, profession: Profession, organisation: str | None = None
) -> Caregiver:
    sex = _sex(rng)
    digit, qualification = {
        "physician": ("1", rng.choice(("001", "003", "004", "580"))),
        "nurse": ("4", "401"),
        "pharmacist": ("2", "001"),
    }[profession]
    newer = profession == "nurse" or (profession == "physician" and rng.random() < MOD_89_SHARE)
    return Caregiver(
        niss=numbers.person(sex),
        nihdi=numbers.caregiver(digit, newer=newer, qualification=qualification),
        name=_name(rng, sex),
        profession=profession,
        organisation=organisation,
    )
