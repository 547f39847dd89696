"""Decides recorded submissions again and compares the outputs, byte for byte.

Same input log, same output bytes (DESIGN section 5): the state of a partition up to the window is
folded from its outputs, then each submission is decided with the policy that was in force at its
append time. What follows a difference is judged by the state that should have been, so one fault
is reported once. Nothing is written.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, Protocol

from consumers.audit import compare
from consumers.audit.log import Log
from consumers.audit.outputs import Group, Outputs
from consumers.audit.report import Difference, Reason, Report, Window
from consumers.progress import Progress
from infra.kafka import Record
from schemas.envelope import from_millis
from streams.engine.answering import answer
from streams.engine.order import to_submission
from streams.engine.outputs import source_position
from streams.engine.stage import Gathered, Output, Recorded, Stage, State, Submission
from streams.engine.tables import in_memory

BATCH: Final = 200
"""Submissions for which the vault is asked at once."""


class Auditable(Protocol[State, Gathered]):
    """A stage, and what an audit has to know of it."""

    @property
    def stage(self) -> Stage[State, Gathered]:
        """Decides with a vault that makes nothing."""
        ...

    @property
    def decider_version(self) -> str:
        """The version of the code at hand."""
        ...

    @property
    def letters(self) -> str | None:
        """The topic of dead letters, which retention removes as it removes submissions."""
        ...

    def beyond_keys(
        self, state: State, submission: Submission, gathered: Gathered
    ) -> Reason | None:
        """Why this submission's outputs cannot be derived any more, if keys are the reason."""
        ...


@dataclass(frozen=True, slots=True)
class _Pair:
    """A submission in the window, with what was recorded of it (nothing: never answered)."""

    submission: Submission
    recorded: tuple[Recorded, ...]


async def rederive(
    audited: Auditable[State, Gathered], log: Log, window: Window, progress: Progress
) -> Report:
    """Every partition of a stage, one after the other.

    Raises:
        InfrastructureError, VaultUnavailable: broker or vault do not answer, or lack the keys.
    """
    report = Report(audited.stage.name, audited.decider_version, window)
    count = await log.partitions(audited.stage.submitted)
    for partition in range(count):
        progress("partitions", partition, count)
        await _Partition(audited, log, partition, report).audit()
    progress("partitions", count, count)
    return report


class _Partition(Generic[State, Gathered]):
    def __init__(
        self, audited: Auditable[State, Gathered], log: Log, partition: int, report: Report
    ) -> None:
        self._audited = audited
        self._stage = audited.stage
        self._log = log
        self._partition = partition
        self._report = report
        self._state = self._stage.initial(in_memory())
        self._pairs: list[_Pair] = []
        self._seen: dict[tuple[str, int, int], bytes] = {}
        self._letters_from: int | None = None

    async def audit(self) -> None:
        stage, partition = self._stage, self._partition
        topics = [*stage.outputs, stage.receipts]
        if self._audited.letters is not None:
            topics.append(self._audited.letters)
            if await self._log.beginning(self._audited.letters, partition) == 0:
                self._letters_from = 0
        begin = await self._log.beginning(stage.submitted, partition)
        outputs = Outputs(self._log, tuple(dict.fromkeys(topics)), stage.receipts, partition)
        async with aclosing(outputs.groups()) as groups:
            await self._pair(begin, groups)
        await self._judge()
        self._judge_late(outputs.late)
        self._report.torn += outputs.torn

    async def _pair(self, begin: int, groups: AsyncGenerator[Group]) -> None:
        """Brings submissions and outputs together by offset."""
        group = await anext(groups, None)
        async with aclosing(self._log.read(self._stage.submitted, self._partition)) as records:
            async for batch in records:
                for record in batch:
                    while group is not None and group.offset < record.offset:
                        self._unmatched(group, begin)
                        group = await anext(groups, None)
                    if group is None or group.offset > record.offset:
                        await self._take(record, (), is_last=group is None)
                    else:
                        await self._take(record, group.outputs, is_last=False)
                        group = await anext(groups, None)
        while group is not None:
            self._unmatched(group, begin)
            group = await anext(groups, None)

    def _unmatched(self, group: Group, begin: int) -> None:
        """Outputs without their submission: removed by retention, or never there."""
        if not self._report.window.holds(_time_of(group, self._stage.receipts)):
            if group.offset < begin:
                self._fold(group.outputs)
        elif group.offset < begin:
            self._report.gone += 1
            self._fold(group.outputs)
        else:
            self._differ([compare.unasked(self._partition, one) for one in group.outputs])

    async def _take(self, record: Record, recorded: tuple[Recorded, ...], *, is_last: bool) -> None:
        appended_at = from_millis(record.timestamp_ms)
        if appended_at < self._report.window.start:
            self._fold(recorded)
        elif appended_at < self._report.window.end:
            self._report.submissions += 1
            if is_last:
                self._report.waiting += 1
                return
            self._pairs.append(_Pair(to_submission(record), recorded))
            if len(self._pairs) == BATCH:
                await self._judge()

    async def _judge(self) -> None:
        pairs, self._pairs = self._pairs, []
        if not pairs:
            return
        gathered = await self._stage.gather(self._state, [one.submission for one in pairs])
        for pair in pairs:
            self._remember(pair)
            self._judge_one(pair, gathered)

    def _judge_one(self, pair: _Pair, gathered: Gathered) -> None:
        report, submission = self._report, pair.submission
        versions = {_decider(one) for one in pair.recorded} - {None}
        if len(versions) == 1 and (version := versions.pop()) != report.decider_version:
            report.other_decider[version or ""] += 1
            self._fold(pair.recorded)
            return
        derived = answer(self._stage, self._state, submission, gathered).outputs
        place = (submission.partition, submission.offset)
        found = [
            one
            for one in compare.differences(place, derived, pair.recorded)
            if not self._is_removed_letter(one)
        ]
        if not found:
            report.rederived += 1
            self._fold(derived)
        elif (reason := self._audited.beyond_keys(self._state, submission, gathered)) is not None:
            report.not_derivable[reason] += 1
            self._fold(pair.recorded)
        else:
            report.differing += 1
            self._differ(found)
            self._fold(derived)

    def _remember(self, pair: _Pair) -> None:
        for one in pair.recorded:
            found = source_position(one.headers)
            if found is not None:
                self._seen[(one.topic, *found)] = compare.fingerprint(one)
                if one.topic == self._audited.letters and self._letters_from is None:
                    self._letters_from = found.offset

    def _is_removed_letter(self, found: Difference) -> bool:
        """Whether a dead letter may be missing because retention was faster with its topic."""
        if found.kind != "missing" or found.topic != self._audited.letters:
            return False
        return self._letters_from is None or found.offset < self._letters_from

    def _judge_late(self, late: Sequence[Recorded]) -> None:
        """Records behind their order are copies of what was judged, or nobody's."""
        places = {(offset, ordinal) for _, offset, ordinal in self._seen}
        offsets = {offset for offset, _ in places}
        for one in late:
            found = source_position(one.headers)
            if found is None:
                self._differ([compare.unasked(self._partition, one)])
            elif self._seen.get((one.topic, *found)) == compare.fingerprint(one):
                self._report.copies += 1
            elif found.offset in offsets:
                self._differ([compare.unasked(self._partition, one)])

    def _differ(self, found: Sequence[Difference]) -> None:
        self._report.differences += found

    def _fold(self, outputs: Sequence[Output | Recorded]) -> None:
        for one in outputs:
            self._stage.evolve(self._state, one.topic, one.key, one.headers, one.value)


def _decider(record: Recorded) -> str | None:
    """The version of the code that wrote an output; a dead letter does not name it."""
    if not any(name == "ce_sourceoffset" for name, _ in record.headers):
        return None
    found = [value for name, value in record.headers if name == "ce_deciderversion"]
    return found[0].decode("ascii", "replace") if len(found) == 1 else None


def _time_of(group: Group, receipts: str) -> datetime:
    """The append time of the submission, which its receipt carries as `ce_time`."""
    for one in group.outputs:
        if one.topic == receipts:
            for name, value in one.headers:
                if name == "ce_time":
                    return _moment(value)
    return _NEVER


def _moment(value: bytes) -> datetime:
    try:
        moment = datetime.fromisoformat(value.decode())
    except ValueError:
        return _NEVER
    return moment if moment.tzinfo is not None else _NEVER


_NEVER: Final = from_millis(0)
