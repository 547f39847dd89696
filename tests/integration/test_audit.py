"""An audit on the real broker: outputs written whole, missing, altered, doubled and planted."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from consumers.audit.log import KafkaLog
from consumers.audit.rederive import rederive
from consumers.audit.report import Report, Window
from infra.kafka import producer
from infra.settings import Settings
from streams.engine.stage import Output, Submission
from tests.support.engine_stage import CountingStage, Counts, answers
from tests.support.engine_world import new_stage, read_to_end, submit

pytestmark = pytest.mark.integration
EVERYTHING = Window(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
SUBMISSIONS = 60
Spoil = Callable[[list[Output]], list[Output]]


@dataclass(frozen=True)
class CountingAudit:
    """`consumers.audit.rederive.Auditable` of the engine's test stage."""

    stage: CountingStage
    letters: str
    decider_version: str = "1"

    def beyond_keys(self, state: Counts, submission: Submission, gathered: None) -> None:
        """Its outputs need no keys."""


async def _audited(settings: Settings, spoil: Spoil) -> tuple[CountingStage, Report]:
    """The report on a partition whose outputs were written after being spoilt."""
    stage = await new_stage(settings)
    await submit(settings, stage, range(SUBMISSIONS))
    submitted = (await read_to_end(settings, stage.submitted))[0]
    async with producer(settings) as sending:
        for one in spoil(answers(stage, submitted)):
            await sending.enqueue(one.topic, one.value, key=one.key, headers=one.headers)
        await sending.flush()
    audited = CountingAudit(stage, stage.letters)
    return stage, await rederive(audited, KafkaLog(settings), EVERYTHING, lambda *_: None)


async def test_outputs_as_the_stage_makes_them_are_derived_again(settings: Settings) -> None:
    _, report = await _audited(settings, lambda made: made)
    assert (report.holds, report.rederived) == (True, SUBMISSIONS)


async def test_each_kind_of_difference_is_found_at_its_place(settings: Settings) -> None:
    def spoil(made: list[Output]) -> list[Output]:
        facts = [place for place, one in enumerate(made) if one.topic.endswith("recorded")]
        missing, altered, doubled, planted = facts[3], facts[20], facts[30], facts[40]
        spoilt = list(made)
        spoilt[altered] = replace(made[altered], value=b'{"n": 1, "count": 99}')
        late = [made[doubled], replace(made[planted], value=b"{}")]
        return [*spoilt[:missing], *spoilt[missing + 1 :], *late]

    stage, report = await _audited(settings, spoil)
    kinds = [(one.kind, one.topic, one.members) for one in report.differences]
    assert sorted(kinds) == [
        ("extra", stage.facts, ()),
        ("missing", stage.facts, ()),
        ("other_bytes", stage.facts, ("value/n", "value/count")),
    ]
    assert (report.copies, report.differing, report.rederived) == (1, 2, SUBMISSIONS - 2)
