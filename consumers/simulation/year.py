"""What the simulated pharmacies dispensed in the twelve months before a moment. Pure and seeded.

Chronic patients come back for the same medicines; others come now and then. Every visit here is
faultless; what goes wrong is planted later. All of it lies in opening hours in Belgium, at least
two days inside of the year that the record keeps, and never near the age at which an arrival
begins to count as late, so that no outcome depends on how long publishing takes.
"""

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from consumers.catalogue.catalogue import FORMULARY_CODE, Medicine, load
from consumers.simulation.population import (
    Habit,
    Person,
    Population,
    SimulationSize,
    seeded,
)
from schemas import brussels
from schemas.dispensation import (
    Compound,
    MagistralPreparation,
    MedicinalProduct,
    Posology,
    Prescription,
    Product,
    RegisterBody,
    SubmittedLine,
    SubmittedPatient,
    UnregisteredProduct,
)
from schemas.identifiers import guid
from schemas.policy import QualityPolicy

LINES_A_YEAR: Final[dict[Habit, float]] = {"occasional": 4.4, "chronic": 17.0, "heavy": 60.0}
"""Lines that a person of each habit gets in a year at the full size, on average."""
MAGISTRAL_SHARE: Final = 0.03
UNREGISTERED_SHARE: Final = 0.01
PRESCRIBED_SHARE: Final = 0.65
MAX_VISIT_LINES: Final = 5
_GROUPED_DAYS: Final = 14
_HOME_SHARE: Final = 0.75
_MARGIN: Final = timedelta(days=3)
_SETTLED: Final = timedelta(minutes=20)
_RID_LETTERS: Final = "0123456789ABCDEFGHJKLMNPQRSTVWXYZ"
_SATURDAY: Final = 5
_SUNDAY: Final = 6
_NO_CODE_TEXTS: Final = (
    "Tisane calmante, 20 sachets",
    "Kruidenthee bij hoest, 100 g",
    "Huile de massage à l'arnica, 50 ml",
    "Zalf met calendula, 40 g",
)


@dataclass(frozen=True, slots=True)
class Visit:
    """One patient in one pharmacy at one moment, and the lines dispensed: 1 to 5."""

    pharmacy: str
    person: Person
    delivered_at: datetime
    sguid: str
    lines: tuple[SubmittedLine, ...]

    @property
    def body(self) -> RegisterBody:
        """What the pharmacy submits of it."""
        return RegisterBody(
            sguid=self.sguid,
            patient=SubmittedPatient(niss=self.person.niss, sex=self.person.sex),
            delivered_at=self.delivered_at,
            lines=self.lines,
        )


def new_guid(rng: random.Random) -> str:
    """A DGUID, SGUID or message id."""
    return guid.from_hex(f"{rng.getrandbits(128):032x}")


def late_limit(now: datetime, policy: QualityPolicy) -> datetime:
    """Deliveries before this moment arrive late when they are published at `now`."""
    return now - timedelta(days=policy.late_after_days)


def visits(
    seed: int, size: SimulationSize, population: Population, now: datetime, policy: QualityPolicy
) -> tuple[Visit, ...]:
    """The visits of the year before `now`, in order of time."""
    calendar = _Calendar(now, policy)
    factor = size.lines / sum(LINES_A_YEAR[person.habit] for person in population.persons)
    made: list[Visit] = []
    for person in population.persons:
        rng = seeded(seed, now.isoformat(), "year", person.niss)
        target = max(1.0, LINES_A_YEAR[person.habit] * factor * rng.uniform(0.6, 1.4))
        made.extend(_Patient(rng, person, population, calendar).year(round(target)))
    return tuple(sorted(made, key=lambda visit: (visit.delivered_at, visit.sguid)))


class _Calendar:
    """Which moments the visits may fall on."""

    def __init__(self, now: datetime, policy: QualityPolicy) -> None:
        self._latest = now - _SETTLED
        self._first = brussels.months_back(now, policy.retention_months) + _MARGIN
        late = late_limit(now, policy)
        self._hole = (late - timedelta(hours=2), late + timedelta(days=1))
        self.days = (brussels.day_of(now) - brussels.day_of(self._first)).days

    def moment(self, rng: random.Random, day: int) -> datetime:
        """A moment in opening hours, `day` days after the year's first, or the next one allowed."""
        day = max(0, day)
        while True:
            found = _opening_time(rng, brussels.day_of(self._first) + timedelta(days=day))
            if found is not None and found > self._latest:
                day = rng.randrange(self.days)
            elif found is None or self._first > found or self._hole[0] < found < self._hole[1]:
                day += 1
            else:
                return found


def _opening_time(rng: random.Random, day: date) -> datetime | None:
    if day.weekday() == _SUNDAY:
        return None
    minutes = rng.randrange(210) if day.weekday() == _SATURDAY else rng.randrange(600)
    opened = datetime.combine(day, time(9 if day.weekday() == _SATURDAY else 8, 30))
    local = (opened + timedelta(minutes=minutes, seconds=rng.randrange(60))).replace(
        tzinfo=brussels.BRUSSELS
    )
    return local.astimezone(UTC)


class _Patient:
    """Draws one person's year."""

    def __init__(
        self, rng: random.Random, person: Person, population: Population, calendar: _Calendar
    ) -> None:
        self._rng = rng
        self._person = person
        self._calendar = calendar
        self._minutes: set[datetime] = set()
        self._physicians = [one.nihdi for one in rng.sample(population.physicians, 2)]

    def year(self, target: int) -> list[Visit]:
        """Visits with about so many lines."""
        due = [] if self._person.habit == "occasional" else self._renewals(target)
        made = [self._visit(day, medicines) for day, medicines in _grouped(due)]
        missing = target - len(due)
        while missing > 0:
            count = min(missing, self._rng.choice((1, 2, 2, 3, 3, 4, 5)))
            missing -= count
            day = self._rng.randrange(self._calendar.days)
            made.append(self._visit(day, _drawn(self._rng, _everyday(), count)))
        return made

    def _renewals(self, target: int) -> list[tuple[int, Medicine]]:
        due: list[tuple[int, Medicine]] = []
        for medicine in _drawn(self._rng, _chronic(), 12):
            days = range(
                self._rng.randrange(medicine.renewal_days),
                self._calendar.days,
                medicine.renewal_days,
            )
            if len(due) + len(days) <= max(target, 4):
                due.extend((day, medicine) for day in days)
        return sorted(due, key=lambda pair: (pair[0], pair[1].cnk))

    def _visit(self, day: int, medicines: list[Medicine]) -> Visit:
        home, *others = self._person.pharmacies
        at_home = self._rng.random() < _HOME_SHARE
        return Visit(
            pharmacy=home if at_home else self._rng.choice(others),
            person=self._person,
            delivered_at=self._moment(day),
            sguid=new_guid(self._rng),
            lines=self._lines(medicines),
        )

    def _moment(self, day: int) -> datetime:
        """A moment in a minute of its own: the same product twice in one would be doubtful."""
        while True:
            moment = self._calendar.moment(self._rng, day)
            minute = moment.replace(second=0, microsecond=0)
            if minute not in self._minutes:
                self._minutes.add(minute)
                return moment

    def _lines(self, medicines: list[Medicine]) -> tuple[SubmittedLine, ...]:
        """A line for each medicine, no two of one product."""
        made: list[SubmittedLine] = []
        for medicine in medicines:
            line = self._line(medicine)
            if any(line.product == other.product for other in made):
                own = MedicinalProduct(cnk=medicine.cnk)
                line = line.model_copy(update={"product": own})
            made.append(line)
        return tuple(made)

    def _line(self, medicine: Medicine) -> SubmittedLine:
        rng = self._rng
        draw = rng.random()
        product: Product = MedicinalProduct(cnk=medicine.cnk)
        if draw < MAGISTRAL_SHARE:
            product = _preparation(rng)
        elif draw < MAGISTRAL_SHARE + UNREGISTERED_SHARE:
            product = UnregisteredProduct(description=rng.choice(_NO_CODE_TEXTS))
        text = medicine.posology(self._person.language)
        has_posology = isinstance(product, MedicinalProduct) and text and rng.random() < 0.9  # noqa: PLR2004 - most have one
        chronic = medicine.renewal_days > 0
        prescribed = chronic or draw < MAGISTRAL_SHARE or rng.random() < PRESCRIBED_SHARE
        return SubmittedLine(
            dguid=new_guid(rng),
            product=product,
            units=rng.randint(medicine.units_min, medicine.units_max),
            posology=Posology(text=text) if has_posology else None,
            prescription=self._prescription() if prescribed else None,
        )

    def _prescription(self) -> Prescription:
        letters = "".join(self._rng.choices(_RID_LETTERS, k=8))
        return Prescription(
            prescriber=self._rng.choices(self._physicians, (4, 1))[0],
            rid=f"BEP{self._rng.choice('P0123456789')}{letters}",
            on_substance_name=self._rng.random() < 0.1,  # noqa: PLR2004 - about Belgium's share
        )


def _grouped(due: list[tuple[int, Medicine]]) -> list[tuple[int, list[Medicine]]]:
    """Medicines that are due within two weeks of each other are fetched in one visit."""
    groups: list[tuple[int, list[Medicine]]] = []
    for day, medicine in due:
        full = groups and len(groups[-1][1]) == MAX_VISIT_LINES
        if groups and not full and day - groups[-1][0] < _GROUPED_DAYS:
            groups[-1][1].append(medicine)
        else:
            groups.append((day, [medicine]))
    return groups


def _preparation(rng: random.Random) -> MagistralPreparation:
    if rng.random() < 0.2:  # noqa: PLR2004 - one in five is from the formulary
        return MagistralPreparation(formula_cnk=FORMULARY_CODE, galenic_form="solution")
    materials = [one for one in load() if one.kind == "magistral_ingredient"]
    return MagistralPreparation(
        compounds=tuple(
            Compound(
                order=order,
                cnk=material.cnk,
                name=material.name("nl"),
                quantity=f"{rng.randint(1, 40)} g",
            )
            for order, material in enumerate(rng.sample(materials, rng.randint(2, 4)), start=1)
        ),
        galenic_form="cream",
        quantity="100 g",
    )


def _everyday() -> list[Medicine]:
    return [one for one in load() if one.weight]


def _chronic() -> list[Medicine]:
    return [one for one in load() if one.renewal_days]


def _drawn(rng: random.Random, among: list[Medicine], count: int) -> list[Medicine]:
    """So many different medicines, drawn by weight."""
    left = list(among)
    found: list[Medicine] = []
    while left and len(found) < count:
        one = rng.choices(left, [medicine.weight for medicine in left])[0]
        left.remove(one)
        found.append(one)
    return found
