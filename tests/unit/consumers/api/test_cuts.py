"""The order of a read, cut at each of its steps.

Every read is made once for each call that it makes of the world outside, and that call fails or
never returns. Nothing may be answered without its durable audit event, nothing may be recorded that
was not decided, and what was recorded is decided again to the same outcome.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

import pytest

from projections.access import (
    AccessFacts,
    AccessRequest,
    Deny,
    Link,
    Mandate,
    Permit,
    Reader,
    ReaderClaim,
    decide,
)
from schemas.audit import AccessDecided
from schemas.policy import AccessPolicy, baseline
from tests.unit.consumers.api.cast import (
    ANN,
    BOB,
    CNK,
    DOCTOR,
    NOBODY,
    NOW,
    OTHER_PHARMACY,
    PHARMACY,
    POSOLOGY,
)
from tests.unit.consumers.api.cutting import Cut, cut_at
from tests.unit.consumers.api.mandates import granted_by, mandate_row
from tests.unit.consumers.api.world import World

DECIDES = "store.access_facts"
AUDIT = "log.append"


@dataclass(frozen=True)
class Read:
    """A read as somebody makes it; `shows` is what only a permitted answer holds."""

    path: str
    token: Callable[[World], str]
    body: dict[str, object]
    status: int
    shows: str
    form: bool = False
    """On the FHIR face a search is a form."""


REVEAL: dict[str, object] = {
    "patient": ANN,
    "dguid": "00000000-0000-4000-9000-000000000000",
    "motivation_type": "patient_request",
    "motivation": "asks where it was bought",
    "evidence": {"proof": "eidsigning", "reference": "592000000000"},
}
EMERGENCY: dict[str, object] = {
    "patient": ANN,
    "motivation_type": "vital_interest",
    "motivation": "unconscious",
}
READS = {
    "a history in an emergency": Read(
        "/v1/patients/emergency", World.caregiver, EMERGENCY, 200, CNK
    ),
    "own history": Read("/v1/me/history", World.patient, {}, 200, POSOLOGY),
    "a patient's history": Read(
        "/v1/patients/history", World.caregiver, {"patient": ANN}, 200, POSOLOGY
    ),
    "a stranger's history": Read(
        "/v1/patients/history", World.caregiver, {"patient": NOBODY}, 403, "access-refused"
    ),
    "all mandators": Read(
        "/v1/mandates/history", lambda world: world.patient(BOB), {}, 200, POSOLOGY
    ),
    "own access log": Read("/v1/me/access-log", World.patient, {}, 200, '"accesses"'),
    "own registrations": Read("/v1/me/registrations", World.patient, {}, 200, '"registrations"'),
    "own lines of a pharmacy": Read(
        "/v1/pharmacy/dispensations", World.pharmacy, {}, 200, POSOLOGY
    ),
    "a revealed pharmacy": Read(
        "/v1/patients/pharmacy", World.pharmacist, REVEAL, 200, f'"pharmacy":"{PHARMACY}"'
    ),
    "dispenses in FHIR": Read(
        "/fhir/MedicationDispense/_search", World.caregiver, {"patient": ANN}, 200, POSOLOGY, True
    ),
    "accesses in FHIR": Read("/fhir/AuditEvent/_search", World.patient, {}, 200, "Bundle", True),
    "consents in FHIR": Read("/fhir/Consent/_search", World.patient, {}, 200, "Bundle", True),
}


async def furnished() -> World:
    """Ann consented, has a link with the doctor and gave Bob a mandate; both have a line."""
    world = World()
    world.open_emergencies()
    await world.add_line()
    await world.add_line(BOB)
    ann, bob, doctor = await world.subject(ANN), await world.subject(BOB), world.professional()
    pharmacy = await world.organisation(OTHER_PHARMACY)
    since, until = NOW - timedelta(9), NOW + timedelta(9)
    world.store.facts[ann] = AccessFacts(
        consent="subject/0/1/0",
        links=(
            Link("link-1", await doctor, "consultation", since, until),
            Link("link-2", pharmacy, "pharmacy", since, until),
        ),
        mandates=(Mandate("mandate-0001", bob, "prescription"),),
    )
    await world.add_registration(mandate_row(ann, bob), granted_by(ANN, BOB, "Ann"))
    return world


async def _ask(world: World, read: Read) -> tuple[int, str]:
    token = read.token(world)
    if read.form:
        content = urlencode({name: str(value) for name, value in read.body.items()}).encode()
        headers = [("content-type", "application/x-www-form-urlencoded")]
        answer = await world.ask(read.path, token, content=content, headers=headers)
    else:
        answer = await world.ask(read.path, token, read.body)
    return answer.status_code, answer.text


async def _steps(read: Read) -> list[str]:
    world = await furnished()
    cut = cut_at(world, None)
    status, text = await _ask(world, read)
    assert (status, read.shows in text) == (read.status, True)
    return cut.calls


async def _at_each_step(
    read: Read, check: Callable[[World, Cut, int], Awaitable[None]], how: str
) -> None:
    for at in range(len(await _steps(read))):
        world = await furnished()
        await check(world, cut_at(world, at, "down" if how == "down" else "hangs"), at)


@pytest.mark.parametrize("name", READS)
async def test_a_read_decides_before_it_fetches_and_records_before_it_answers(name: str) -> None:
    calls = await _steps(READS[name])
    first = {call: calls.index(call) for call in reversed(calls)}
    assert calls[0] == "vault.root_key"
    assert calls[-1] == AUDIT
    if "log.stable_ends" in calls:
        assert first["log.stable_ends"] < first["positions.wait"] < first[DECIDES] < first[AUDIT]
    if "store.history" in calls:
        assert first[DECIDES] < first["store.history"] < first[AUDIT]


@pytest.mark.parametrize("name", READS)
async def test_a_read_that_is_cut_anywhere_answers_nothing(name: str) -> None:
    read = READS[name]

    async def check(world: World, cut: Cut, at: int) -> None:
        status, text = await _ask(world, read)
        assert cut.reached.is_set()
        assert (status, '"code"' in text) == (503, True), f"cut at {at}, {cut.calls[at]}"
        assert read.shows not in text or read.status == 403
        assert "access-refused" not in text

    await _at_each_step(read, check, "down")


@pytest.mark.parametrize("name", READS)
async def test_nothing_is_recorded_that_was_not_decided(name: str) -> None:
    read = READS[name]

    async def check(world: World, cut: Cut, at: int) -> None:
        await _ask(world, read)
        decided = at > max((i for i, call in enumerate(cut.calls) if call == DECIDES), default=-1)
        recorded = [*world.log.audited(), *world.log.revealed(), *world.log.emergencies()]
        subject_events = [event for event in recorded if event.subject is not None]
        assert decided or not subject_events, f"cut at {at}, {cut.calls[at]}"

    await _at_each_step(read, check, "down")


@pytest.mark.parametrize("name", READS)
async def test_a_caller_who_leaves_at_any_step_gets_nothing_and_breaks_nothing(name: str) -> None:
    read = READS[name]

    async def check(world: World, cut: Cut, _at: int) -> None:
        asking = asyncio.create_task(_ask(world, read))
        reached = asyncio.create_task(cut.reached.wait())
        await asyncio.wait({asking, reached}, return_when=asyncio.FIRST_COMPLETED)
        assert reached.done()
        asking.cancel()
        (ended,) = await asyncio.gather(asking, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError | tuple)
        assert isinstance(ended, asyncio.CancelledError) or ended[0] == 503
        cut_at(world, None)
        assert (await _ask(world, read))[0] == read.status

    await _at_each_step(read, check, "hangs")


def _again(event: AccessDecided, facts: AccessFacts, policy: AccessPolicy) -> Permit | Deny:
    """The decision, from nothing but the event and what the projection holds."""
    assert event.subject is not None
    assert event.purpose in ("history", "own_history")
    role: ReaderClaim = "patient" if event.role == "patient" else "caregiver"
    reader = Reader(role, event.reader, event.organisation, event.profession)
    purpose = event.purpose
    return decide(AccessRequest(reader, event.subject, purpose), facts, policy, event.decided_at)


@pytest.mark.parametrize(
    "name", ["own history", "a patient's history", "a stranger's history", "all mandators"]
)
async def test_what_was_recorded_is_decided_again_to_the_same_outcome(name: str) -> None:
    world = await furnished()
    await _ask(world, READS[name])
    policy = baseline("access").data
    assert isinstance(policy, AccessPolicy)
    events = world.log.audited()
    assert events
    for event in events:
        assert event.subject is not None
        outcome = _again(event, world.store.facts.get(event.subject, AccessFacts()), policy)
        if isinstance(outcome, Permit):
            assert event.window is not None
            window = (event.window.start, event.window.end)
            recorded = (event.decision, event.basis, event.basis_refs, *window)
            assert recorded == (
                "permit",
                outcome.basis,
                outcome.basis_refs,
                outcome.window_start,
                outcome.window_end,
            )
        else:
            assert (event.decision, event.reason) == ("deny", outcome.reason)


@pytest.mark.parametrize("name", READS)
async def test_a_projection_that_stands_still_is_a_503_and_never_stale(name: str) -> None:
    read = READS[name]
    if "log.stable_ends" not in await _steps(read):
        return
    world = await furnished()
    world.log.end = 1_000
    status, text = await _ask(world, read)
    assert (status, "position-timeout" in text) == (503, True)
    assert not world.log.audited()


async def test_without_a_token_nothing_is_touched() -> None:
    for read in READS.values():
        world = await furnished()
        cut = cut_at(world, None)
        answer = await world.ask(read.path, None, read.body)
        assert answer.status_code == 401
        assert cut.calls == []
        assert DOCTOR not in answer.text
