"""Consents, links, exclusions and mandates of the simulated people, as calls of the API.

The demo's personas come first; then a seeded part of everybody else, with refusals of every kind
planted among them. Everything about one person is one chain, to be performed in order.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from consumers.simulation.plan import Plan
from consumers.simulation.population import CAST, Caregiver, Person, Pharmacy, Population, seeded
from schemas.identifiers import niss
from schemas.policy import baseline
from streams.subject.person import too_young

Body = dict[str, object]
Role = Literal["patient", "caregiver", "pharmacist", "pharmacy", "insurer", "privacy_officer"]

CONSENT_SHARE: Final = 0.85
WITHDRAWAL_SHARE: Final = 0.03
PHARMACY_LINK_SHARE: Final = 0.6
PHYSICIAN_LINK_SHARE: Final = 0.4
EXCLUSION_SHARE: Final = 0.02
LIFTED_SHARE: Final = 0.3
MANDATE_SHARE: Final = 0.03
INSURER: Final = "0999000129"
"""An invented enterprise."""
UNKNOWN_ID: Final = "00000000-0000-4000-8000-000000000000"
_EVIDENCE: Final[Body] = {"proof": "eidreading"}


@dataclass(frozen=True, slots=True)
class TokenPersona:
    """Whom a token stands for; the members are those of the development issuer's request."""

    role: Role
    niss: str | None = field(default=None, repr=False)
    nihdi: str | None = field(default=None, repr=False)
    profession: str | None = None
    organisation: str | None = None

    def request(self) -> dict[str, str]:
        """The claims to ask a token for."""
        claims = {
            "role": self.role,
            "niss": self.niss,
            "nihdi": self.nihdi,
            "profession": self.profession,
            "organisation": self.organisation,
        }
        return {name: value for name, value in claims.items() if value is not None}


@dataclass(frozen=True, slots=True)
class PlannedRegistration:
    """One call of `POST /v1/registrations` and what must come of it.

    `refusal` is the code of a 422; None expects a 201. `label` names it within its chain;
    `refers` is the member of the body that takes the id of an earlier one, and that one's label.
    """

    label: str
    author: TokenPersona
    body: Body = field(repr=False)
    refusal: str | None = None
    refers: tuple[str, str] | None = None


Chain = tuple[PlannedRegistration, ...]


@dataclass(frozen=True, slots=True)
class Personas:
    """The people of the demo."""

    patient: Person
    """Has many lines of the last six months from several pharmacies, corrections, a revocation."""
    holder: Person
    """Holds an accepted mandate from the patient."""
    physician: Caregiver
    """Has a link with the patient, who consented; with the unconsented and the withdrawing too."""
    nurse: Caregiver
    pharmacist: Caregiver
    """Works in `pharmacy`, which has a link with the patient."""
    pharmacy: Pharmacy
    unlinked: Caregiver
    excluded: Caregiver
    """Has a link with the patient, and is excluded."""
    unconsented: Person
    withdrawing: Person
    """Consented; to be withdrawn while the demo runs (see `withdrawal`)."""
    family_holder: Person
    """Holds mandates from both `mandators`."""
    mandators: tuple[Person, Person]


@dataclass(frozen=True, slots=True)
class RegistrationPlan:
    """All chains; different chains may be performed at the same time."""

    personas: Personas
    chains: tuple[Chain, ...]

    def expected(self) -> dict[str, int]:
        """How many of each outcome: `201`, and every refusal by its code."""
        counts: dict[str, int] = {}
        for chain in self.chains:
            for one in chain:
                name = one.refusal or "201"
                counts[name] = counts.get(name, 0) + 1
        return dict(sorted(counts.items()))

    @property
    def accepted(self) -> int:
        """How many of them become facts."""
        return self.expected().get("201", 0)


def patient(person: Person) -> TokenPersona:
    """A person as a patient, or as somebody's mandate holder."""
    return TokenPersona("patient", niss=person.niss)


def caregiver(one: Caregiver) -> TokenPersona:
    """A physician or nurse."""
    return TokenPersona("caregiver", nihdi=one.nihdi, profession=one.profession)


def pharmacist(one: Caregiver) -> TokenPersona:
    """A pharmacist in their pharmacy."""
    return TokenPersona(
        "pharmacist", nihdi=one.nihdi, profession=one.profession, organisation=one.organisation
    )


def cast(population: Population) -> Personas:
    """The personas of a population."""
    people, physicians = population.persons, population.physicians
    home = people[0].pharmacies[0]
    return Personas(
        patient=people[0],
        holder=people[6],
        physician=physicians[0],
        nurse=population.nurses[0],
        pharmacist=next(one for one in population.pharmacists if one.organisation == home),
        pharmacy=next(one for one in population.pharmacies if one.number == home),
        unlinked=physicians[1],
        excluded=physicians[2],
        unconsented=people[1],
        withdrawing=people[2],
        family_holder=people[7],
        mandators=(people[3], people[4]),
    )


def withdrawal(personas: Personas) -> PlannedRegistration:
    """What the withdrawing persona does while the demo runs."""
    person = personas.withdrawing
    return PlannedRegistration("withdrawal", patient(person), {"kind": "withdraw_consent"})


def plan_registrations(plan: Plan, most_persons: int | None = None) -> RegistrationPlan:
    """The registrations of a plan's population; of at most so many persons besides the cast."""
    personas = cast(plan.population)
    others = plan.population.persons[len(CAST) :][:most_persons]
    chains = [*_persona_chains(personas), *_refusal_chains(plan.population, others)]
    for person in others[_REFUSED_PERSONS:]:
        rng = seeded(plan.seed, "registrations", person.niss)
        chain = tuple(_everyday(rng, person, plan.population, plan.now))
        if chain:
            chains.append(chain)
    return RegistrationPlan(personas, tuple(chains))


def _persona_chains(personas: Personas) -> list[Chain]:
    own, physician = patient(personas.patient), personas.physician
    chains: list[Chain] = [
        (
            _step("consent", own, "give_consent"),
            _link("physician", own, physician),
            _link("nurse", own, personas.nurse),
            _link("excluded", own, personas.excluded),
            _pharmacy_link(personas.pharmacist, personas.patient),
            _step("exclusion", own, "put_exclusion", {"party": _professional(personas.excluded)}),
            *_mandate(personas.patient, personas.holder),
        ),
        (_link("physician", patient(personas.unconsented), physician),),
        (
            _step("consent", patient(personas.withdrawing), "give_consent"),
            _link("physician", patient(personas.withdrawing), physician),
        ),
    ]
    chains += [tuple(_mandate(one, personas.family_holder)) for one in personas.mandators]
    return chains


_REFUSED_PERSONS: Final = 4


def _refusal_chains(population: Population, others: tuple[Person, ...]) -> Iterator[Chain]:
    """Every kind of refusal once, each in the chain of a person who does nothing else."""
    if len(others) < _REFUSED_PERSONS:
        return
    one, two, three, four = others[:_REFUSED_PERSONS]
    physician, stranger = population.physicians[0], population.physicians[1]
    yield (
        _step("early", patient(one), "withdraw_consent", refusal="CONSENT_NOT_GIVEN"),
        _step("consent", patient(one), "give_consent"),
        _step("again", patient(one), "give_consent", refusal="CONSENT_ALREADY_GIVEN"),
        _step("withdrawal", patient(one), "withdraw_consent"),
    )
    yield tuple(_link_refusals(two, physician, stranger))
    own, party = patient(three), {"party": _professional(stranger)}
    put = ("exclusion", "put")
    yield (
        _step("put", own, "put_exclusion", {**party}),
        _step("again", own, "put_exclusion", {**party}, refusal="EXCLUSION_EXISTS"),
        _step("lifted", own, "lift_exclusion", refers=put),
        _step("twice", own, "lift_exclusion", refusal="EXCLUSION_UNKNOWN", refers=put),
    )
    yield tuple(_mandate_refusals(four, one, two))


def _link_refusals(
    person: Person, physician: Caregiver, stranger: Caregiver
) -> Iterator[PlannedRegistration]:
    own, declare = patient(person), "declare_link"
    link: Body = {"link_type": "consultation", "party": _professional(physician)}
    about: Body = {**link, "patient": person.niss}
    proven: Body = {**about, "evidence": _EVIDENCE}
    mistyped: Body = {**link, "link_type": "pharmacy"}
    unknown: Body = {"link": UNKNOWN_ID}
    made = ("link", "link")
    yield _step("link", own, declare, link)
    yield _step("again", own, declare, link, refusal="LINK_EXISTS")
    yield _step("no proof", caregiver(physician), declare, about, refusal="EVIDENCE_MISSING")
    yield _step("another's", caregiver(stranger), declare, proven, refusal="AUTHOR_NOT_ALLOWED")
    yield _step("mistyped", own, declare, mistyped, refusal="LINK_TYPE_PARTY_MISMATCH")
    yield _step("unknown", own, "revoke_link", unknown, refusal="LINK_UNKNOWN")
    yield _step("revoked", own, "revoke_link", refers=made)
    yield _step("twice", own, "revoke_link", refusal="LINK_ALREADY_REVOKED", refers=made)


def _mandate_refusals(
    person: Person, holder: Person, other: Person
) -> Iterator[PlannedRegistration]:
    own, grant = patient(person), "grant_mandate"
    about: Body = {"patient": person.niss}
    yield _step("self", own, grant, {"holder": _citizen(person)}, refusal="SELF_MANDATE")
    yield _step("grant", own, grant, {"holder": _citizen(holder)})
    moves: tuple[tuple[str, Person, str, str | None], ...] = (
        ("not theirs", other, "accept_mandate", "MANDATE_HOLDER_MISMATCH"),
        ("accepted", holder, "accept_mandate", None),
        ("accepted twice", holder, "accept_mandate", "MANDATE_NOT_WAITING"),
        ("ended", person, "end_mandate", None),
        ("too late", holder, "end_mandate", "MANDATE_ENDED"),
    )
    for label, author, kind, refusal in moves:
        given = ("mandate", "grant")
        yield _step(label, patient(author), kind, about, refusal=refusal, refers=given)
    unknown: Body = {**about, "mandate": UNKNOWN_ID}
    yield _step("unknown", patient(holder), "refuse_mandate", unknown, refusal="MANDATE_UNKNOWN")


def _everyday(
    rng: random.Random, person: Person, population: Population, now: datetime
) -> Iterator[PlannedRegistration]:
    own = patient(person)
    if rng.random() < CONSENT_SHARE:
        withdrawn = rng.random() < WITHDRAWAL_SHARE
        yield from _consent(person, population, now, withdrawn=withdrawn)
    if rng.random() < PHARMACY_LINK_SHARE:
        home = person.pharmacies[0]
        staff = next(one for one in population.pharmacists if one.organisation == home)
        yield _pharmacy_link(staff, person)
    physician = rng.choice(population.physicians)
    if rng.random() < PHYSICIAN_LINK_SHARE:
        yield _link("physician", own, physician)
    if rng.random() < EXCLUSION_SHARE:
        yield _step("put", own, "put_exclusion", {"party": _professional(physician)})
        if rng.random() < LIFTED_SHARE:
            yield _step("lifted", own, "lift_exclusion", refers=("exclusion", "put"))
    if rng.random() < MANDATE_SHARE:
        holder = rng.choice([one for one in population.persons if one.niss != person.niss])
        fate = rng.choice(("accepted", "waiting", "refused", "ended"))
        yield from _mandate(person, holder, fate)


def _consent(
    person: Person, population: Population, now: datetime, *, withdrawn: bool
) -> Iterator[PlannedRegistration]:
    """Of a child by a parent, whom an insurer knows from an authentic source."""
    own = patient(person)
    acting: Body = {}
    born = niss.earliest_birth(person.niss)
    if born is not None and too_young(person.niss, baseline("access").access, now):
        parent = population.persons[0]
        declared: Body = {
            "patient": person.niss,
            "parent": _citizen(parent),
            "child_born": born.replace(month=7).isoformat(),
            "evidence": {"proof": "authenticsource"},
        }
        acting = {"patient": person.niss, "acting_as": "parent", "basis": "parental authority"}
        yield _step("too young", own, "give_consent", refusal="AGE_BELOW_CONSENT")
        yield _step("no parent", patient(parent), "give_consent", acting, refusal="NOT_A_PARENT")
        yield _step("parent", _insurer(population), "declare_parent", declared)
        own = patient(parent)
    yield _step("consent", own, "give_consent", acting)
    if withdrawn:
        yield _step("withdrawal", own, "withdraw_consent", acting)


def _insurer(population: Population) -> TokenPersona:
    return TokenPersona("insurer", niss=population.nurses[0].niss, organisation=INSURER)


def _mandate(
    person: Person, holder: Person, fate: str = "accepted"
) -> Iterator[PlannedRegistration]:
    yield _step("grant", patient(person), "grant_mandate", {"holder": _citizen(holder)})
    moves = {
        "accepted": (("accept_mandate", holder),),
        "refused": (("refuse_mandate", holder),),
        "ended": (("accept_mandate", holder), ("end_mandate", person)),
    }.get(fate, ())
    for kind, author in moves:
        yield _step(
            kind, patient(author), kind, {"patient": person.niss}, refers=("mandate", "grant")
        )


def _step(
    label: str,
    author: TokenPersona,
    kind: str,
    members: Body | None = None,
    *,
    refusal: str | None = None,
    refers: tuple[str, str] | None = None,
) -> PlannedRegistration:
    return PlannedRegistration(label, author, {"kind": kind, **(members or {})}, refusal, refers)


def _link(label: str, author: TokenPersona, party: Caregiver) -> PlannedRegistration:
    link: Body = {"link_type": "consultation", "party": _professional(party)}
    return _step(label, author, "declare_link", link)


def _pharmacy_link(staff: Caregiver, person: Person) -> PlannedRegistration:
    """A pharmacy's link is with the organisation, made by a pharmacist on reading the eID."""
    link: Body = {
        "patient": person.niss,
        "link_type": "pharmacy",
        "party": {"party_kind": "organisation", "number": staff.organisation},
        "evidence": _EVIDENCE,
    }
    return _step("pharmacy", pharmacist(staff), "declare_link", link)


def _professional(one: Caregiver) -> Body:
    return {"party_kind": "professional", "number": one.nihdi, "name": one.name}


def _citizen(one: Person) -> Body:
    return {"party_kind": "citizen", "number": one.niss, "name": one.name}
