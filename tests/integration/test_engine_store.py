"""State on disk and the real broker: what is restored from where, and what is not trusted."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from infra.kafka import Record
from infra.settings import Settings
from streams.engine.restore import restore
from streams.engine.store import _META, RocksStore, open_store
from streams.engine.tables import MemoryStore
from tests.support.engine_stage import CountingStage, answers
from tests.support.engine_world import lone_worker, new_stage, read_to_end, require_exact, submit

pytestmark = pytest.mark.integration


async def _half_answered(settings: Settings) -> tuple[CountingStage, list[Record]]:
    """Forty submissions, of which the first twenty are answered; the store knows that."""
    stage = await new_stage(settings)
    await submit(settings, stage, range(40))
    records = (await read_to_end(settings, stage.submitted))[0]
    async with lone_worker(settings, stage) as worker:
        assert await worker.run_batch(records[:20])
    return stage, records


def _folder(settings: Settings, stage: CountingStage) -> Path:
    return settings.data / "stages" / stage.name / "0"


async def _restored(settings: Settings, stage: CountingStage) -> tuple[int, bytes]:
    """How many outputs were read besides what the store had, and the state's digest."""
    store = await open_store(settings, stage.name, 0, stage.fold)
    try:
        found = await restore(settings, stage, 0, store)
        return found.outputs, found.state.digest
    finally:
        await store.close()


async def _from_nothing(settings: Settings, stage: CountingStage) -> tuple[int, bytes]:
    found = await restore(settings, stage, 0, MemoryStore())
    return found.outputs, found.state.digest


async def test_a_store_has_what_was_committed_and_the_log_has_the_rest(settings: Settings) -> None:
    stage, records = await _half_answered(settings)
    _, digest = await _from_nothing(settings, stage)
    assert await _restored(settings, stage) == (0, digest)
    kept = _folder(settings, stage).rename(_folder(settings, stage).with_name("earlier"))
    async with lone_worker(settings, stage) as worker:
        assert await worker.run_batch(records)
    shutil.rmtree(_folder(settings, stage))
    kept.rename(_folder(settings, stage))
    outputs, digest = await _from_nothing(settings, stage)
    tail, same = await _restored(settings, stage)
    assert (0 < tail < outputs, same) == (True, digest)
    assert await require_exact(settings, stage) == 40


def _restored_so_far(stage: CountingStage) -> float:
    name = "dpp_stage_restored_outputs_total"
    return REGISTRY.get_sample_value(name, {"stage": stage.name}) or 0.0


async def test_a_partition_that_comes_back_reads_only_what_others_wrote_meanwhile(
    settings: Settings, tmp_path: Path
) -> None:
    stage, records = await _half_answered(settings)
    elsewhere = settings.model_copy(update={"data": tmp_path})
    for case, own, known, there, upto in (
        ("a folder that knows nothing", elsewhere, 0, 20, 30),
        ("a store that lacks a tail", settings, 20, 30, 35),
        ("the other one, that lacks a tail too", elsewhere, 30, 35, 40),
    ):
        before = _restored_so_far(stage)
        async with lone_worker(own, stage) as worker:
            assert await worker.run_batch(records[:upto])
        read = _restored_so_far(stage) - before
        missing = len(answers(stage, records[:there])) - len(answers(stage, records[:known]))
        assert read == missing, case
    assert await require_exact(settings, stage) == 40


def _damage(folder: Path) -> None:
    for file in folder.glob("store/MANIFEST-*"):
        file.write_bytes(b"nothing")


def _newer(folder: Path) -> None:
    _rewrite(folder, lambda meta: {**meta, "fold": "2"})


def _foreign(folder: Path) -> None:
    _rewrite(
        folder,
        lambda meta: {
            **meta,
            "marks": {topic: [at, "00"] for topic, (at, _) in meta["marks"].items()},
        },
    )


def _ahead(folder: Path) -> None:
    _rewrite(
        folder,
        lambda meta: {
            **meta,
            "marks": {topic: [at + 1000, seen] for topic, (at, seen) in meta["marks"].items()},
        },
    )


def _rewrite(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Changes what the store says of itself, and spoils its state so that using it would show."""
    store = RocksStore.open(folder.parents[1], folder.parent.name, 0, CountingStage.fold)
    store._database.put(_META, json.dumps(change(json.loads(store.read(_META) or b""))).encode())
    store._database.put(b"digest\0", b"\0" * 5 + b"spoiled")
    store.let_go()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [(_damage, "corrupt"), (_newer, "newer"), (_foreign, "foreign"), (_ahead, "ahead")],
)
async def test_a_store_that_cannot_be_trusted_is_set_aside_and_rebuilt(
    settings: Settings, spoil: Callable[[Path], None], reason: str
) -> None:
    stage, records = await _half_answered(settings)
    folder = _folder(settings, stage)
    spoil(folder)
    async with lone_worker(settings, stage) as worker:
        assert await worker.run_batch(records)
    assert [one.name for one in folder.glob("aside-*")] == [f"aside-1-{reason}"]
    _, digest = await _from_nothing(settings, stage)
    assert await _restored(settings, stage) == (0, digest)
    assert await require_exact(settings, stage) == 40


async def test_the_store_of_another_stage_in_its_place_is_not_used(
    settings: Settings,
) -> None:
    old, _ = await _half_answered(settings)
    new = await new_stage(settings)
    await submit(settings, new, range(100, 140))
    records = (await read_to_end(settings, new.submitted))[0]
    async with lone_worker(settings, new) as worker:
        assert await worker.run_batch(records)
    _folder(settings, new).parent.rename(settings.data / f"{new.name}-own")
    _folder(settings, old).parent.rename(_folder(settings, new).parent)
    async with lone_worker(settings, new) as worker:
        assert await worker.run_batch([])
    assert [one.name for one in _folder(settings, new).glob("aside-*")] == ["aside-1-foreign"]
    assert await require_exact(settings, new) == 40
