"""Interleavings of faults, explored: nothing is lost, doubled, reordered, torn or changed.

Virtual time and a broker in memory, so each schedule is exact and takes milliseconds; hypothesis
prints one that fails, made as short as it can be.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.settings import Settings
from streams.engine.partition import PartitionWorker
from streams.engine.restore import Restored
from streams.engine.stage import Output, Stage
from streams.engine.tables import MemoryStore, Store, in_memory
from tests.support.chaos.checker import Kind
from tests.support.engine_fakes import FakeBroker, FakeWriter
from tests.support.engine_schedule import Act, Step, run_schedule

WAITS = (0.0, 0.0005, 0.001, 0.003, 0.01, 0.1, 1.0, 5.0)
ANSWERS = (0.0, 0.0002, 0.001, 0.004, 0.05, 1.0)
ACTS: tuple[Act, ...] = get_args(Act)
STEPS = st.lists(
    st.builds(Step, st.sampled_from(WAITS), st.sampled_from(ACTS), st.integers(0, 20)), max_size=25
)


@given(STEPS, st.lists(st.sampled_from(ANSWERS), max_size=12))
@settings(max_examples=150, deadline=None)
def test_whatever_comes_in_between_every_submission_is_answered_once(
    steps: list[Step], delays: list[float]
) -> None:
    assert run_schedule([Step(0.0, "publish", 15), *steps], delays) == ()


def _schedules(count: int) -> list[tuple[list[Step], list[float]]]:
    """Schedules by chance, the same each time."""
    draw = random.Random(5)  # noqa: S311 - no secret
    return [
        (
            [Step(draw.choice(WAITS), draw.choice(ACTS), draw.randrange(20)) for _ in range(25)],
            draw.choices(ANSWERS, k=12),
        )
        for _ in range(count)
    ]


def _found() -> set[Kind]:
    return {
        violation.kind
        for steps, delays in _schedules(25)
        for violation in run_schedule([Step(0.0, "publish", 15), *steps], delays)
    }


Sabotage = Callable[[pytest.MonkeyPatch], None]


def _unfenced(patch: pytest.MonkeyPatch) -> None:
    """A writer goes on when a newer one has been opened."""
    intact = FakeWriter.write

    async def write(self: FakeWriter, number: int, outputs: Sequence[Output]) -> dict[str, int]:
        self._epoch = self._broker.epoch
        return await intact(self, number, outputs)

    patch.setattr(FakeWriter, "write", write)


def _torn(patch: pytest.MonkeyPatch) -> None:
    """A write that fails leaves its first output behind."""
    intact = FakeWriter.write

    async def write(self: FakeWriter, number: int, outputs: Sequence[Output]) -> dict[str, int]:
        broker = self._broker
        if broker.faults and broker.faults[0] == "lost" and self._epoch == broker.epoch:
            broker.outputs += outputs[:1]
        return await intact(self, number, outputs)

    patch.setattr(FakeWriter, "write", write)


def _forgetful(patch: pytest.MonkeyPatch) -> None:
    """Only the position is restored."""
    intact = FakeBroker.restore

    async def restore(
        self: FakeBroker, given: Settings, stage: Stage[Any, Any], number: int, store: Store
    ) -> Restored[Any]:
        return replace(
            await intact(self, given, stage, number, store), state=stage.initial(in_memory())
        )

    patch.setattr(FakeBroker, "restore", restore)


def _trusting(patch: pytest.MonkeyPatch) -> None:
    """What the fetcher left out is taken for answered."""

    async def reread(_self: object, live: Any, until: int) -> None:
        live.expected = until

    patch.setattr(PartitionWorker, "_reread", reread)


def _credulous(patch: pytest.MonkeyPatch) -> None:
    """The position of the log is taken for that of the store."""
    intact = FakeBroker.restore

    async def restore(
        self: FakeBroker, given: Settings, stage: Stage[Any, Any], number: int, store: Store
    ) -> Restored[Any]:
        restored = await intact(self, given, stage, number, MemoryStore())
        return replace(restored, state=stage.initial(store.tables))

    patch.setattr(FakeBroker, "restore", restore)


def _repeating(patch: pytest.MonkeyPatch) -> None:
    """The last answer that is in the log does not count at a restore."""
    intact = FakeBroker.restore

    async def restore(
        self: FakeBroker, given: Settings, stage: Stage[Any, Any], number: int, store: Store
    ) -> Restored[Any]:
        restored = await intact(self, given, stage, number, store)
        return replace(restored, position=max(-1, restored.position - 1))

    patch.setattr(FakeBroker, "restore", restore)


SABOTAGED: dict[str, tuple[Sabotage, set[Kind]]] = {
    "writers that are not fenced": (_unfenced, {"doubled"}),
    "writes that are not atomic": (_torn, {"doubled"}),
    "state that is not restored": (_forgetful, {"changed"}),
    "a store that is taken for whole": (_credulous, {"changed"}),
    "a group offset that is trusted": (_trusting, {"lost"}),
    "a position that is too low": (_repeating, {"doubled"}),
}


def test_schedules_by_chance_find_nothing_in_the_engine() -> None:
    assert _found() == set()


@pytest.mark.parametrize(("sabotage", "kinds"), SABOTAGED.values(), ids=SABOTAGED.keys())
def test_the_same_schedules_find_a_sabotaged_engine_bad(
    monkeypatch: pytest.MonkeyPatch, sabotage: Sabotage, kinds: set[Kind]
) -> None:
    sabotage(monkeypatch)
    assert kinds <= _found()
