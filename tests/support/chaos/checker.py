"""Decides from the log alone whether a stage kept its word, whatever was done to it; pure.

A history is what publishers were told and what readers can read afterwards. `answers` says what a
model, which knows nothing of the engine, makes of the submissions in log order.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Literal, NamedTuple

from streams.engine.outputs import SourcePosition

Kind = Literal[
    "vanished", "lost", "doubled", "reordered", "torn", "changed", "unfounded", "publisher order"
]


class Place(NamedTuple):
    """Partition and offset of a submission."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A submission of which the broker told its publisher that, and where, it is in the log."""

    publisher: str
    number: int
    place: Place


@dataclass(frozen=True, slots=True)
class Submitted:
    """A submission in the log; hostile ones may be of nobody."""

    place: Place
    publisher: str | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """A committed output; `content` is whatever must be equal, `source` None if it names none."""

    topic: str
    partition: int
    source: SourcePosition | None
    content: Hashable
    receipt: bool = False

    @property
    def submission(self) -> Place | None:
        """The submission that it answers."""
        return None if self.source is None else Place(self.partition, self.source.offset)


Answer = tuple[Hashable, ...]
"""Contents of the outputs of one submission by ordinal, its receipt's last."""


@dataclass(frozen=True, slots=True)
class History:
    """Everything that is known afterwards; sequences are in the order of each partition's log."""

    acknowledged: Sequence[Acknowledged]
    submitted: Sequence[Submitted]
    written: Sequence[Written]


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken, and where."""

    kind: Kind
    where: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.where}"


def check(history: History, answers: Mapping[Place, Answer]) -> tuple[Violation, ...]:
    """Every broken promise; a submission without an entry in `answers` may be answered anyhow."""
    found = chain(
        _vanished(history),
        _positions(history.written),
        _outcomes(history, answers),
        _unfounded(history),
        _publisher_order(history),
    )
    return tuple(dict.fromkeys(found))


def _vanished(history: History) -> Iterator[Violation]:
    """What was acknowledged has to be where the acknowledgement says."""
    log = {one.place: one for one in history.submitted}
    for told in history.acknowledged:
        one = log.get(told.place)
        if one is None or (one.publisher, one.number) != (told.publisher, told.number):
            yield Violation("vanished", f"{told.publisher} number {told.number} at {told.place}")


def _positions(written: Sequence[Written]) -> Iterator[Violation]:
    """(`sourceoffset`, `sourceordinal`) strictly increases in each partition of each topic."""
    highest: dict[tuple[str, int], SourcePosition] = {}
    passed: set[tuple[str, int, SourcePosition]] = set()
    for one in written:
        if one.source is None:
            continue
        log = (one.topic, one.partition)
        where = f"{one.topic}/{one.partition}, source {tuple(one.source)}"
        if (*log, one.source) in passed:
            yield Violation("doubled", where)
        elif one.source < highest.get(log, (-1, -1)):
            yield Violation("reordered", where)
        passed.add((*log, one.source))
        highest[log] = max(one.source, highest.get(log, one.source))


def _outcomes(history: History, answers: Mapping[Place, Answer]) -> Iterator[Violation]:
    """Every submission has exactly one receipt, with it all other outputs, and the model's."""
    found: defaultdict[Place | None, list[Written]] = defaultdict(list)
    for one in history.written:
        found[one.submission].append(one)
    for submitted in history.submitted:
        outputs = found[submitted.place]
        receipts = sum(output.receipt for output in outputs)
        where = f"submission {tuple(submitted.place)}"
        if not outputs:
            yield Violation("lost", where)
        elif receipts > 1:
            yield Violation("doubled", where)
        elif not _is_whole(outputs):
            topics = ", ".join(sorted({output.topic for output in outputs}))
            yield Violation("torn", f"{where}: only {topics}")
        else:
            by_ordinal = {one.source: one.content for one in outputs}
            content = tuple(by_ordinal[place] for place in sorted(by_ordinal, key=_ordinal))
            if content != answers.get(submitted.place, content):
                yield Violation("changed", where)


def _is_whole(outputs: Sequence[Written]) -> bool:
    """Whether the ordinals are dense and end with the receipt."""
    ordinals = {_ordinal(one.source) for one in outputs}
    last = max(outputs, key=lambda one: _ordinal(one.source))
    return ordinals == set(range(len(ordinals))) and last.receipt


def _ordinal(source: SourcePosition | None) -> int:
    return -1 if source is None else source.ordinal


def _unfounded(history: History) -> Iterator[Violation]:
    """Nothing is answered that is not in the log."""
    log = {one.place for one in history.submitted}
    for one in history.written:
        if one.submission not in log:
            source = None if one.source is None else tuple(one.source)
            yield Violation("unfounded", f"{one.topic}/{one.partition}, source {source}")


def _publisher_order(history: History) -> Iterator[Violation]:
    """What a publisher sent one after the other is logged, and answered, in that order."""
    sent: defaultdict[str, list[Acknowledged]] = defaultdict(list)
    for told in sorted(history.acknowledged, key=lambda one: one.number):
        sent[told.publisher].append(told)
    answered: dict[Place, int] = {}
    for at, one in enumerate(history.written):
        if one.receipt and one.submission is not None:
            answered.setdefault(one.submission, at)
    for publisher, own in sent.items():
        for earlier, later in pairwise(own):
            if not (
                _precedes(earlier.place, later.place)
                and _is_answered_first(answered, earlier, later)
            ):
                numbers = f"{earlier.number} and {later.number}"
                yield Violation("publisher order", f"{publisher}, numbers {numbers}")


def _precedes(earlier: Place, later: Place) -> bool:
    return earlier.partition == later.partition and earlier.offset < later.offset


def _is_answered_first(
    answered: Mapping[Place, int], earlier: Acknowledged, later: Acknowledged
) -> bool:
    """Whether the earlier one's receipt stands first, where both have one."""
    first, second = answered.get(earlier.place), answered.get(later.place)
    return first is None or second is None or first < second
