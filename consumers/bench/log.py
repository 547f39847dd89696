"""The transparency log: sequencing from Kafka, verifying, proving.

Every round sequences all records anew into a log of its own. The rival of the sequencer fetches and
hashes the same records and writes nothing; that of the verifier hashes the same entries and checks
nothing.
"""

import asyncio
import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consumers.audit.verify import Memory, verify
from consumers.bench.benches import Run
from consumers.bench.result import Findings
from infra import topics
from infra.embedded.cluster import EmbeddedInfrastructure
from infra.kafka import producer, reader
from infra.settings import Settings, load_settings
from streams.notary import leaf, notes, proofs, tiles, tree
from streams.notary.directory import CHECKPOINT, LogDirectory
from streams.notary.handover import Held
from streams.notary.leaf import LOGGED
from streams.notary.proofs import InclusionProof
from streams.notary.sequencer import Sequencer

RECORDS: Final = 300_000
PROOFS: Final = 1_000
SEQUENCING_GOAL: Final = 50_000
VERIFYING_GOAL: Final = 80_000
_RATE: Final = "leaves/s"
_VALUE: Final = bytes(range(256)) * 2
_LOOK_SECONDS: Final = 0.005


def measure(run: Run) -> Findings:
    """All rounds at full size.

    Raises:
        InfrastructureError: the broker did not start.
    """
    return asyncio.run(measure_log(run, RECORDS))


async def measure_log(run: Run, count: int) -> Findings:
    """Rounds over `count` records of a fact's size."""
    findings = Findings()
    async with EmbeddedInfrastructure(run.folder / "servers") as servers:
        found = servers.endpoints
        settings = load_settings(kafka_bootstrap=found.kafka_bootstrap, data=run.folder / "data")
        await topics.apply(settings)
        await _publish(settings, count)
        for number in range(run.rounds):
            run.progress("rounds", number, run.rounds)
            await _round(settings, run.folder / f"log-{number}", count, findings)
    run.progress("rounds", run.rounds, run.rounds)
    findings.ratio("sequence_vs_fetch_and_hash", "sequence", "fetch_and_hash")
    findings.ratio("verify_vs_hash_alone", "verify", "hash_alone")
    findings.at_least("sequence_leaves_per_second", SEQUENCING_GOAL, findings.median("sequence"))
    findings.at_least("verify_leaves_per_second", VERIFYING_GOAL, findings.median("verify"))
    return findings


async def _round(settings: Settings, folder: Path, count: int, findings: Findings) -> None:
    key = Ed25519PrivateKey.generate()
    directory, origin = LogDirectory(folder / "log"), f"bench.example/{folder.name}"
    sequencer = Sequencer(
        settings, directory, origin=origin, keys=lambda: Held((key,)), state=folder
    )
    findings.sample("fetch_and_hash", _RATE, count / await _fetch_and_hash(settings, count))
    findings.sample("sequence", _RATE, count / await _sequence(sequencer, count))
    log = notes.verifier(origin, key)
    started = time.perf_counter()
    found = verify(directory.read, log, Memory())
    findings.sample("verify", _RATE, count / (time.perf_counter() - started))
    if not found.holds:
        raise AssertionError(f"the log that was just written does not hold: {found.fault}")
    started = time.perf_counter()
    for entry in _entries(directory, count):
        tree.leaf_hash(entry)
    findings.sample("hash_alone", _RATE, count / (time.perf_counter() - started))
    spent = sorted(_proof_seconds(directory, count))
    findings.sample("proof_p50", "ms", statistics.median(spent) * 1000)
    findings.sample("proof_p99", "ms", spent[round(len(spent) * 0.99) - 1] * 1000)


async def _publish(settings: Settings, count: int) -> None:
    async with producer(settings) as sender:
        for number in range(count):
            await sender.enqueue(
                LOGGED[number % len(LOGGED)],
                _VALUE,
                key=b"%d" % (number % 997),
                headers=(("ce_id", b"%d" % number), ("content-type", b"application/json")),
            )
        await sender.flush()


async def _sequence(sequencer: Sequencer, count: int) -> float:
    """Seconds from the start of the sequencer until its checkpoint has every record."""
    stop = asyncio.Event()
    started = time.perf_counter()
    running = asyncio.create_task(sequencer.run(stop))
    while (sequencer.health.size or 0) < count and not running.done():  # noqa: ASYNC110 - health has no event
        await asyncio.sleep(_LOOK_SECONDS)
    spent = time.perf_counter() - started
    stop.set()
    await running
    return spent


async def _fetch_and_hash(settings: Settings, count: int) -> float:
    started = time.perf_counter()
    seen = 0
    async with reader(settings) as reading:
        await reading.assign_all(*LOGGED)
        while seen < count:
            for records in (await reading.poll(max_records=8_192)).values():
                for one in records:
                    tree.leaf_hash(leaf.encode(one))
                seen += len(records)
    return time.perf_counter() - started


def _entries(directory: LogDirectory, size: int) -> Iterator[bytes]:
    for index in range(-(-size // tiles.WIDTH)):
        width = tiles.width_at(size, 0, index)
        yield from tiles.unpack(directory.read(tiles.bundle_path(index, width)), width)


def _proof_seconds(directory: LogDirectory, size: int) -> Iterator[float]:
    """Seconds of making one proof's file, leaf after random leaf."""
    chosen = random.Random(size)  # noqa: S311 - a fixed choice, no secret
    nodes = tiles.nodes_from(size, lambda tile: directory.read(tile.path))
    note = directory.read(CHECKPOINT)
    for _ in range(PROOFS):
        started = time.perf_counter()
        index = chosen.randrange(size)
        proofs.write(InclusionProof(index, tree.inclusion_proof(index, size, nodes), note))
        yield time.perf_counter() - started
