"""Whether the time of a refusal tells why: a rank test over interleaved samples.

One doctor asks, one request after the other, about people who are unknown, have no link with them,
have not consented, have excluded them, or were erased, in an order drawn anew for every turn. All
are refused with the same bytes; what could still tell them apart is time.
"""

import asyncio
import math
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from consumers.bench.api import world
from consumers.bench.api.load import Reader, answer
from consumers.bench.api.measure import api_running, projections_running, readers
from consumers.bench.api.server import SHARED
from consumers.bench.api.world import Size, World
from consumers.bench.benches import Run
from consumers.bench.result import Findings
from consumers.simulation.population import SimulationSize, populate
from infra.errors import InfrastructureError
from infra.keys.opening import opened_vault
from schemas.sealing.pseudonym import party_pseudonym, subject_pseudonym
from schemas.subject import (
    CONSENT_WITHDRAWN,
    ERASURE_EXECUTED,
    EXCLUSION_PUT,
    ConsentWithdrawn,
    ErasureExecuted,
    ExclusionPut,
)

SAMPLES: Final = 400
"""Of each kind in a round."""
WARM_UP: Final = 60
PEOPLE: Final = 6
"""Of each kind."""
DISTANCE_GOAL: Final = 0.05
"""How far from one half a share may be: three standard deviations of what chance makes."""
SIZE: Final = Size(rows=40_000, patients=200, readers=4)
_UNKNOWN_SEED: Final = 8
_REFUSED: Final = 403
_APPLIED_SECONDS: Final = 60.0
_VOLATILE: Final = b"date:"


class ToldApart(InfrastructureError):
    """Refusals differ in more than time."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """Of two samples: how often the first takes longer, ties counted by half, and how sure that is.

    `share` is one half when they cannot be told apart (the area under the ROC curve); `p` is the
    probability of a share as far from one half by chance (normal approximation, with ties).
    """

    share: float
    p: float


def compare(one: Sequence[float], other: Sequence[float]) -> Ranks:
    """The Mann-Whitney test."""
    values = sorted([(value, 0) for value in one] + [(value, 1) for value in other])
    total, ranks, ties, at = len(values), 0.0, 0.0, 0
    while at < total:
        until = at
        while until < total and values[until][0] == values[at][0]:
            until += 1
        rank, count = (at + 1 + until) / 2, until - at
        ranks += rank * sum(1 for _, which in values[at:until] if which == 0)
        ties += count**3 - count
        at = until
    n, m = len(one), len(other)
    wins = ranks - n * (n + 1) / 2
    variance = n * m / 12 * ((total + 1) - ties / (total * (total - 1)))
    z = 0.0 if variance == 0 else (wins - n * m / 2) / math.sqrt(variance)
    return Ranks(wins / (n * m), math.erfc(abs(z) / math.sqrt(2)))


def measure(run: Run) -> Findings:
    """All rounds at full size.

    Raises:
        InfrastructureError: a server or process did not start, or refusals differ in their bytes.
    """
    return asyncio.run(measure_refusals(run, SAMPLES))


async def measure_refusals(run: Run, samples: int) -> Findings:
    """Rounds of so many samples of each kind."""
    findings = Findings()
    async with world.opened(run.folder / "servers", SIZE, run.progress) as made:
        people = await _people(made)
        async with projections_running(made), api_running(made, SHARED):
            reader = readers(made)[0]
            await _until_applied(made, reader, people)
            await _ask(made, reader, people, WARM_UP)
            for number in range(run.rounds):
                run.progress("rounds", number, run.rounds)
                _note(findings, await _ask(made, reader, people, samples))
    run.progress("rounds", run.rounds, run.rounds)
    furthest = max(abs(findings.median(f"{kind}_slower") - 0.5) for kind in people)
    findings.at_most("furthest_from_one_half", DISTANCE_GOAL, furthest)
    return findings


def _note(findings: Findings, seconds: Mapping[str, Sequence[float]]) -> None:
    for kind, own in seconds.items():
        others = [one for name, taken in seconds.items() if name != kind for one in taken]
        found = compare(own, others)
        findings.sample(f"{kind}_slower", "share", found.share)
        findings.sample(f"{kind}_p", "probability", found.p)
        findings.sample(f"{kind}_p50", "ms", 1000 * sorted(own)[len(own) // 2])


async def _people(made: World) -> Mapping[str, Sequence[str]]:
    """Numbers of people by why a read of theirs is refused; what makes it so is written."""
    doctor, other = made.doctors[:2]
    strangers = populate(_UNKNOWN_SEED, SimulationSize(persons=30, pharmacies=4)).persons
    known = set(doctor.patients) | set(other.patients)
    groups = [doctor.patients[at : at + PEOPLE] for at in range(0, 3 * PEOPLE, PEOPLE)]
    people = {
        "unknown": [one.niss for one in strangers if one.niss not in known][:PEOPLE],
        "unlinked": list(other.patients[:PEOPLE]),
        "unconsented": list(groups[0]),
        "excluded": list(groups[1]),
        "erased": list(groups[2]),
    }
    async with opened_vault(made.settings, maximum=1) as vault:
        key = await vault.root_key("pseudonym")
        party = party_pseudonym(key, "professional", doctor.nihdi)
        for number in people["unconsented"]:
            await made.register(subject_pseudonym(key, number), CONSENT_WITHDRAWN, ConsentWithdrawn)
        for number in people["excluded"]:
            await made.register(
                subject_pseudonym(key, number),
                EXCLUSION_PUT,
                ExclusionPut,
                exclusion=f"exclusion-{number[:6]}",
                party=party,
                party_kind="professional",
            )
        for number in people["erased"]:
            subject = subject_pseudonym(key, number)
            await vault.destroy_subject(subject, 1, datetime.now(UTC))
            await made.register(
                subject, ERASURE_EXECUTED, ErasureExecuted, erasure=f"erasure-{number[:6]}"
            )
    return people


async def _until_applied(made: World, reader: Reader, people: Mapping[str, Sequence[str]]) -> None:
    """Reads wait for what was registered by themselves; only the processes have to be warm."""
    async with asyncio.timeout(_APPLIED_SECONDS):
        await _ask(made, reader, people, 1)


async def _ask(
    made: World, reader: Reader, people: Mapping[str, Sequence[str]], samples: int
) -> Mapping[str, Sequence[float]]:
    """Seconds of each refusal, by kind, asked in an order drawn for every turn.

    Raises:
        ToldApart: they differ in status, headers or body.
    """
    host, port = made.settings.api_host, made.settings.api_port
    rng = random.Random(samples)  # noqa: S311 - the order of questions is no secret
    seconds: dict[str, list[float]] = {kind: [] for kind in people}
    source, sink = await asyncio.open_connection(host, port)
    first: tuple[int, bytes, bytes] | None = None
    try:
        for _ in range(samples):
            for kind in rng.sample(list(people), len(people)):
                request = reader.request(f"{host}:{port}", rng.choice(people[kind]))
                started = time.perf_counter()
                sink.write(request)
                status, head, body = await answer(source)
                seconds[kind].append(time.perf_counter() - started)
                shown = (status, _constant(head), body)
                first = first or shown
                if status != _REFUSED or shown != first:
                    raise ToldApart(f"A refusal of somebody {kind} is not like the others.")
    finally:
        sink.close()
    return seconds


def _constant(head: bytes) -> bytes:
    lines = head.split(b"\r\n")
    return b"\r\n".join(line for line in lines if not line.lower().startswith(_VOLATILE))
