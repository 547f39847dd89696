"""The history's table as a dictionary, and lives of lines to fold: what SQL is compared with."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import strategies as st

from projections.folds import history
from projections.folds.access_state import Recorded
from projections.folds.history import Change, Line, PutVersion, Supersede
from schemas.dispensation import (
    CorrectedFact,
    LineContent,
    MedicinalProduct,
    RegisteredFact,
    RevokedFact,
    Supersedes,
)
from schemas.keyvault import Shredded

PHARMACY = "80000551"
INDEX_KEY = bytes(32)
SUBJECTS = ("a" * 26, "b" * 26, "c" * 26)
RETURNED = "00000000-0000-4000-8000-000000000000"
FIRST = datetime(2026, 1, 30, 22, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Step:
    """One fact as the shell hands it to the fold."""

    fact: history.Fact
    content: LineContent | Shredded | None
    recorded: Recorded

    def changes(self) -> tuple[Change, ...]:
        return history.fold(self.fact, self.content, self.recorded, INDEX_KEY)


Row = tuple[str, str, int, datetime, str | None, str | None, int | None]


@dataclass(slots=True)
class Table:
    """Applies changes one by one, in the plainest way."""

    rows: dict[Line, Row] = field(default_factory=dict)
    erased: dict[str, int] = field(default_factory=dict)

    def apply(self, changes: Iterable[Change]) -> None:
        for change in changes:
            match change:
                case PutVersion():
                    self._put(change)
                case Supersede(line=line, position=position):
                    row = self.rows.get(line)
                    if row is not None and row[-1] is None:
                        self.rows[line] = (*row[:-1], position)

    def erase(self, subject: str, generation: int) -> None:
        self.erased[subject] = max(generation, self.erased.get(subject, 0))
        self.rows = {
            line: row for line, row in self.rows.items() if row[0] != subject or row[2] > generation
        }

    def _put(self, put: PutVersion) -> None:
        at = put.delivered_at
        if put.withdraws is not None:
            former = put.line._replace(version=put.withdraws)
            at = self.rows[former][3] if former in self.rows else None
        gone = put.generation <= self.erased.get(put.subject, 0)
        if at is not None and not gone and put.line not in self.rows:
            found_by = (put.product_index, put.returns_index)
            self.rows[put.line] = (put.subject, put.status, put.generation, at, *found_by, None)


def content(at: datetime, returns: str | None = None) -> LineContent:
    return LineContent(
        sguid="00000000-0000-4000-8000-000000000000",
        pharmacy=PHARMACY,
        delivered_at=at,
        product=MedicinalProduct(cnk="0000000"),
        units=1 if returns is None else -1,
        returns=returns,
    )


def _fact_members(line: int, version: int, subject: str) -> dict[str, object]:
    return {
        "pharmacy": PHARMACY,
        "dguid": f"00000000-0000-4000-8000-{line:012d}",
        "version": version,
        "subject": subject,
        "generation": 1,
        "period": "p",
        "digest": "AA",
        "sealed": "AAAA",
    }


def registered(
    line: int,
    subject: str,
    at: datetime,
    *,
    shredded: bool = False,
    returns: str | None = None,
) -> Step:
    fact = RegisteredFact.model_validate({**_fact_members(line, 1, subject), "score": 90})
    opened = Shredded("period") if shredded else content(at, returns)
    return Step(fact, opened, _recorded(line, 1))


def corrected(
    line: int, version: int, subject: str, at: datetime, *, of: Supersedes, shredded: bool = False
) -> Step:
    members = {**_fact_members(line, version, subject), "score": 80, "supersedes": of}
    opened = Shredded("subject") if shredded else content(at)
    return Step(CorrectedFact.model_validate(members), opened, _recorded(line, version))


def revoked(line: int, version: int, subject: str, *, of: Supersedes) -> Step:
    members = {**_fact_members(line, version, subject), "supersedes": of}
    return Step(RevokedFact.model_validate(members), None, _recorded(line, version))


def _recorded(line: int, version: int) -> Recorded:
    # A partition per line: so a fact's place does not hang on how lines are interleaved.
    return Recorded(line, version * 10, FIRST, f"quality/{line}/{version}/0")


@st.composite
def lives(draw: st.DrawFn, line: int = 0) -> list[Step]:
    """A line's facts: registered, corrected some times, perhaps revoked; some of them shredded."""
    subject = draw(st.sampled_from(SUBJECTS))
    at = FIRST + timedelta(hours=draw(st.integers(0, 24 * 60)))
    returns = draw(st.none() | st.just(RETURNED))
    steps = [registered(line, subject, at, shredded=draw(st.booleans()), returns=returns)]
    for version in range(2, 2 + draw(st.integers(0, 3))):
        of = Supersedes(version=version - 1, month=f"{history.month_of(at):%Y-%m}", subject=subject)
        subject = draw(st.sampled_from(SUBJECTS))
        at = FIRST + timedelta(hours=draw(st.integers(0, 24 * 60)))
        gone = draw(st.integers(0, 4)) == 0
        steps.append(corrected(line, version, subject, at, of=of, shredded=gone))
    if draw(st.booleans()):
        last = len(steps)
        of = Supersedes(version=last, month=f"{history.month_of(at):%Y-%m}", subject=subject)
        steps.append(revoked(line, last + 1, subject, of=of))
    return steps


@st.composite
def logs(draw: st.DrawFn) -> list[Step]:
    """Facts of several lines, mixed in any way that keeps each line's order, some repeated."""
    count = draw(st.integers(1, 5))
    queues = [draw(lives(line)) for line in range(count)]
    log: list[Step] = []
    while any(queues):
        queue = draw(st.sampled_from([one for one in queues if one]))
        log += [queue.pop(0)] * draw(st.integers(1, 3))
    return log


@st.composite
def batches(draw: st.DrawFn, log: Sequence[Step]) -> list[list[Step]]:
    """The log cut into batches anywhere."""
    cuts = sorted(draw(st.lists(st.integers(0, len(log)), max_size=6)))
    edges = [0, *cuts, len(log)]
    return [list(log[start:end]) for start, end in pairwise(edges)]


def folded(log: Iterable[Step]) -> Table:
    table = Table()
    for step in log:
        table.apply(step.changes())
    return table
