"""Who sees what: the same record through the eyes of everybody who may, and who may not.

Every answer is compared with the plan of the simulated year, line by line.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, Final

from consumers.demo.cast import planned_lines, planned_own_lines, seen_lines
from consumers.demo.checks import Checks
from consumers.demo.live import counter, outcome, visit
from consumers.demo.portal import Answer, Portal
from consumers.simulation.plan import Plan
from consumers.simulation.population import Person
from consumers.simulation.registrations import Personas, withdrawal
from infra.settings import Settings
from schemas import brussels
from schemas.identifiers import niss

OWN: Final = "/v1/me/history"
MANDATES: Final = "/v1/mandates/history"
PATIENTS: Final = "/v1/patients/history"
OWN_LINES: Final = "/v1/pharmacy/dispensations"
ACCESS_LOG: Final = "/v1/me/access-log"
REGISTRATIONS: Final = "/v1/registrations"
_NOBODY: Final = niss.with_check_digits("990000997", born_from_2000=False)
_SEEN_WITHIN: Final = 30.0
_LOOK_AGAIN: Final = 0.02


@dataclass(frozen=True, slots=True)
class Refusal:
    """A read that was refused, and the reason that the answer does not tell."""

    who: str
    why: str
    status: int
    body: str

    @property
    def title(self) -> str:
        """What a person reads of the answer."""
        return str(json.loads(self.body).get("title", ""))


@dataclass
class Told:
    """What is worth showing of the reads."""

    views: dict[str, list[Answer]] = field(default_factory=dict)
    """Lines by who read them."""
    refusals: list[Refusal] = field(default_factory=list)
    withdrawal: tuple[int, int, int] = (0, 0, 0)
    """Status of the read before, of the withdrawal, and of the very next read."""
    visible_seconds: float = 0.0
    """From the counter of a pharmacy to the patient's screen."""
    accesses: list[Answer] = field(default_factory=list)


class Readers:
    """The demo's personas, reading one after the other; `expected` says who appears in the log."""

    def __init__(self, portal: Portal, plan: Plan, cast: Personas, checks: Checks) -> None:
        self._portal = portal
        self._plan = plan
        self._cast = cast
        self._checks = checks
        self._logged: list[tuple[str, str]] = []
        self.told = Told()

    async def everybody_who_may(self) -> None:
        """Patient, mandate holders, caregivers, pharmacist, and the pharmacy's own lines."""
        await self._lines_of("patient", OWN, "patient", months=6)
        await self._holder()
        await self._family()
        for name in ("physician", "nurse"):
            await self._lines_of(name, PATIENTS, "caregiver", months=6)
        await self._lines_of("pharmacist", PATIENTS, "pharmacist", months=12)
        await self._own_lines()
        self._differences()

    async def everybody_who_may_not(self) -> None:
        """Without consent, without link, excluded, unknown: one and the same refusal."""
        cast = self._cast
        attempts: tuple[tuple[str, str, str], ...] = (
            ("physician", "the patient has not consented", cast.unconsented.niss),
            ("unlinked", "no therapeutic link", cast.patient.niss),
            ("excluded", "the patient excluded them", cast.patient.niss),
            ("physician", "nobody has this number", _NOBODY),
        )
        for who, why, number in attempts:
            answer = await self._portal.call(who, PATIENTS, {"patient": number})
            self.told.refusals.append(Refusal(who, why, answer.status_code, answer.text))
            if number == cast.patient.niss:
                self._logged.append(("caregiver", "deny"))
        answers = {(one.status, one.body) for one in self.told.refusals}
        self._checks.expect("no consent, no link, excluded, unknown: one answer", 1, len(answers))
        self._checks.expect("and it is a refusal", [403], sorted({status for status, _ in answers}))

    async def withdrawing(self) -> None:
        """Consent is withdrawn between two reads of the same physician."""
        person = self._cast.withdrawing
        asked = {"patient": person.niss}
        before = await self._portal.call("physician", PATIENTS, asked)
        planned = withdrawal(self._cast)
        done = await self._portal.call("withdrawing", REGISTRATIONS, planned.body)
        after = await self._portal.call("physician", PATIENTS, asked)
        told = (before.status_code, done.status_code, after.status_code)
        self.told.withdrawal = told
        self._checks.expect(
            "read, withdrawal of consent, the very next read", (200, 201, 403), told
        )

    async def counter(self, settings: Settings, api_url: str) -> None:
        """A visit now: from the counter to the patient's screen, and its receipt."""
        patient, pharmacy = self._cast.patient, self._cast.pharmacy.number
        body = visit(patient.niss, datetime.now(UTC))
        async with counter(settings, api_url, pharmacy) as publisher:
            started = perf_counter()
            entry = await publisher.register(body)
            await publisher.flush()
            seen = await self._until_seen(body.lines[0].dguid, started + _SEEN_WITHIN)
            self.told.visible_seconds = perf_counter() - started
            self._checks.expect("the patient sees what was just dispensed", True, seen)
            self._checks.expect(
                "and the pharmacy has its receipt", "accepted", await outcome(publisher, entry.id)
            )

    async def access_log(self) -> None:
        """The patient's access log holds every read and every refusal of the above."""
        pages = await self._portal.pages("patient", ACCESS_LOG)
        self.told.accesses = [one for page in pages for one in page["accesses"]]
        found = sorted((role_of(one), one["decision"]) for one in self.told.accesses)
        self._checks.expect("the access log holds every read", sorted(self._logged), found)

    async def _until_seen(self, dguid: str, until: float) -> bool:
        while perf_counter() < until:
            newest = await self._portal.read("patient", OWN, {"limit": 5})
            self._logged.append(("patient", "permit"))
            if dguid in {line["dguid"] for line in newest["lines"]}:
                return True
            await asyncio.sleep(_LOOK_AGAIN)
        return False

    async def _lines_of(self, who: str, path: str, role: str, months: int) -> None:
        patient = self._cast.patient.niss
        asked = {} if path == OWN else {"patient": patient}
        pages = await self._portal.pages(who, path, asked)
        self._logged += [(role, "permit")] * len(pages)
        lines = [line for page in pages for line in page.get("lines", ())]
        self.told.views[who] = lines
        since = brussels.months_back(datetime.now(UTC), months)
        what = f"the {who} sees {months} months, line by line"
        self._checks.expect_same(what, planned_lines(self._plan, patient, since), seen_lines(lines))

    async def _holder(self) -> None:
        people = await self._people("holder")
        self._logged.append(("mandate holder", "permit"))
        self._checks.expect("the holder sees oneself and the mandator", [True, False], _own(people))
        if len(people) > 1:
            self.told.views["holder"] = people[1]["history"]["lines"]
        self._compare("holder", (self._cast.holder, self._cast.patient), people)

    async def _family(self) -> None:
        people = await self._people("family_holder")
        what = "one call shows a family: oneself and two mandators"
        self._checks.expect(what, [True, False, False], _own(people))
        cast = self._cast
        self._compare("family holder", (cast.family_holder, *cast.mandators), people)

    async def _people(self, who: str) -> list[Answer]:
        answer = await self._portal.read(who, MANDATES, {"limit": 500})
        people: list[Answer] = answer.get("people", [])
        return people

    def _compare(self, who: str, persons: tuple[Person, ...], people: list[Answer]) -> None:
        since = brussels.months_back(datetime.now(UTC), 6)
        wanted = sorted(planned_lines(self._plan, one.niss, since) for one in persons)
        seen = sorted(seen_lines(one["history"]["lines"]) for one in people)
        self._checks.expect_same(
            f"the {who} sees everybody's six months, line by line", wanted, seen
        )

    async def _own_lines(self) -> None:
        pages = await self._portal.pages("pharmacy", OWN_LINES)
        lines = [line for page in pages for line in page.get("lines", ())]
        self.told.views["pharmacy"] = lines
        number = self._cast.pharmacy.number
        since = brussels.months_back(datetime.now(UTC), 12)
        wanted = planned_own_lines(self._plan, number, since)
        self._checks.expect_same("the pharmacy sees its own lines", wanted, seen_lines(lines))
        patients = {line[0] for line in planned_lines(self._plan, self._cast.patient.niss, since)}
        self._logged += [
            ("pharmacy", "permit")
            for page in pages
            if patients & {line["dguid"] for line in page.get("lines", ())}
        ]

    def _differences(self) -> None:
        views = self.told.views
        for who, shown in (
            ("patient", True),
            ("holder", True),
            ("physician", False),
            ("nurse", False),
            ("pharmacist", False),
        ):
            verb = "sees" if shown else "does not see"
            lines = views.get(who, [])
            found = {line.get("pharmacy") is not None for line in lines}
            self._checks.expect(f"the {who} {verb} who dispensed", [shown], sorted(found))


def role_of(access: Mapping[str, Any]) -> str:
    """In which role somebody looked, as the access log has it."""
    return "mandate holder" if access["on_your_behalf"] else str(access["role"])


def _own(people: list[Answer]) -> list[Any]:
    return [one["own"] for one in people]
