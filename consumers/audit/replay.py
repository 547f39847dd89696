"""Builds projections anew from the log alone, and compares them with the live rows.

One pass over the log fills a scratch version of every projection. Live rows are those of one
snapshot of the database. Both are compared at the positions that both have come to: where the log
has not reached the live version yet, live rows count as they stood at the log's end. Which
generations are erased is taken from the log too, so a forged erasure hides nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from consumers.audit import erased
from consumers.audit.cuts import EVERYTHING, Border, Cut
from consumers.audit.logged import STRETCH_LEAVES, stretches
from consumers.audit.replayed import Replay, Replayed
from consumers.progress import Progress
from infra.kafka import Partition, Record
from infra.postgres import Connection, connect
from infra.settings import Settings
from projections import comparing
from projections.comparing import SubjectContent, by_subject
from projections.content import content_hash
from projections.erasure import forget_erased
from projections.hashing import Difference, stored_content
from projections.scratch import Scratch, opened
from projections.shells import Projection
from projections.store import Failure, Place, Target, load_places, set_aside_of
from projections.verify import LIVE
from projections.versions import VersionRefused, live_version
from schemas.topics import SUBJECT_REGISTERED
from streams.notary.directory import Read
from streams.notary.leaf import LOGGED
from streams.notary.notes import Checkpoint

LOG: Final = "the log"
"""What lacks a row that is live and that no record of the log makes."""
STEP: Final = "leaves replayed"
NEVER_RUN: Final = "never_run"
ERASED_TABLE: Final = "projection_erased"


class Export(Protocol):
    """Takes all that the log became, one subject after the other."""

    def begin(self, found: Sequence[Replayed]) -> None:
        """Told first: what was replayed, at which positions."""
        ...

    def add(self, projection: Projection, one: SubjectContent) -> None:
        """Projections come in the order of their names, contents in that of `by_subject`."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What to replay: up to a cut, whether the rebuilt rows stay, and who is told of them all."""

    cut: Cut = EVERYTHING
    keep: bool = False
    export: Export | None = None


async def replay(
    settings: Settings,
    read: Read,
    checkpoint: Checkpoint,
    projections: Sequence[Projection],
    *,
    asked: Asked,
    progress: Progress = lambda _step, _done, _total: None,
) -> Replay:
    """Replays the first `checkpoint.size` leaves, which were verified.

    Raises:
        LogUnavailable, BundleInvalid, LeafInvalid: entries are missing or damaged.
        DatabaseUnavailable, VaultUnavailable, psycopg.Error: try again; nothing is left behind.
    """
    async with AsyncExitStack() as stack:
        snapshot = await stack.enter_async_context(
            connect(settings.dsn, autocommit=True, statement_ms=0)
        )
        await snapshot.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        parts, found, left_out = [], [], {}
        for projection in projections:
            if projection.topic not in LOGGED:
                left_out[projection.name] = (
                    f"its topic {projection.topic} is not among those that are logged"
                )
                continue
            try:
                live = await live_version(snapshot, projection)
            except VersionRefused:
                failure = Failure(NEVER_RUN, projection.topic)
                found.append(Replayed(projection.name, 0, failure=failure))
                continue
            made = await stack.enter_async_context(opened(settings, projection, keep=asked.keep))
            parts.append(await _Part.begun(snapshot, live, made, asked))
        walk = _Walk(asked.cut, parts)
        await walk.run(read, checkpoint.size, progress)
        gone = _Erased.told(walk.erased, await _carried_out(snapshot), parts)
        found += [await one.conclude(snapshot, gone) for one in parts]
        if asked.export is not None:
            asked.export.begin(found)
            for one in sorted(parts, key=lambda part: part.projection.name):
                await one.export(asked.export)
    return Replay(
        checkpoint.origin, checkpoint.size, checkpoint.root, str(asked.cut), tuple(found), left_out
    )


def masked(one: Difference, hidden: Collection[str]) -> Difference:
    """A difference without values that only the holder of keys can know."""
    return replace(one, key={name: text for name, text in one.key.items() if name not in hidden})


async def _carried_out(snapshot: Connection) -> dict[str, int]:
    cursor = await snapshot.execute("SELECT subject, generation FROM projection_erased")
    return dict(await cursor.fetchall())


@dataclass(slots=True)
class _Part:
    """One projection under way."""

    live: Target
    scratch: Scratch
    places: Mapping[int, Place]
    aside: Collection[tuple[int | None, int | None]]
    found: Replayed
    next: dict[int, int] = field(default_factory=dict)
    """How far the log has come, by partition."""
    beyond: dict[int, int] = field(default_factory=dict)
    """The first offset behind the cut."""

    @classmethod
    async def begun(
        cls, snapshot: Connection, live: Target, scratch: Scratch, asked: Asked
    ) -> "_Part":
        places = await load_places(snapshot, live)
        aside = {(one.partition, one.position) for one in await set_aside_of(snapshot, live)}
        found = Replayed(live.projection, live.version)
        found.schema = scratch.target.schema if asked.keep else None
        return cls(live, scratch, places, aside, found)

    @property
    def projection(self) -> Projection:
        return self.scratch.projection

    async def take(self, records: Sequence[Record]) -> None:
        """Applies records of its topic that lie before the cut, as far as the live version came."""
        wanted: dict[Partition, list[Record]] = {}
        for one in records:
            self.next[one.partition] = one.offset + 1
            place = self.places.get(one.partition)
            if place is None or one.offset >= place.position:
                self.found.ahead += 1
                continue
            wanted.setdefault(Partition(one.topic, one.partition), []).append(one)
            self.found.records += 1
        if wanted:
            await self.scratch.apply(wanted, self._may_set_aside)

    def _may_set_aside(self, record: Record, _number: int) -> bool:
        return (record.partition, record.offset) in self.aside

    @property
    def cut(self) -> dict[int, int]:
        """The positions that both have come to."""
        return {
            number: min(place.position, self.beyond.get(number, place.position))
            if number in self.beyond or self.has_all(number)
            else self.next.get(number, 0)
            for number, place in self.places.items()
        }

    def has_all(self, number: int) -> bool:
        """Whether the log has every record that the live version has applied of a partition.

        A position lies behind the marker of a transaction, which is no record; then the last output
        of the stage tells.
        """
        place = self.places[number]
        if self.next.get(number, 0) >= place.position:
            return True
        same = place.source == self.scratch.last(number)
        return self.projection.from_stage and same

    async def export(self, told: Export) -> None:
        """Tells all that the log became, once it is concluded."""
        scratch = self.scratch
        if scratch.failure is None:
            keys = self.projection.primary_keys
            async for one in by_subject(scratch.connection, scratch.target.schema, keys):
                told.add(self.projection, one)

    async def conclude(self, snapshot: Connection, gone: "_Erased") -> Replayed:
        """Compares; what was erased is forgotten first."""
        found, scratch = self.found, self.scratch
        found.failure = scratch.failure
        found.positions = self.cut
        found.behind = {
            one: at.position - found.positions[one]
            for one, at in self.places.items()
            if found.positions[one] < at.position and one not in self.beyond
        }
        if scratch.failure is None:
            if self.projection.forgets:
                await forget_erased(scratch.connection, scratch.target.schema, gone.generations)
            await self._compare(snapshot)
            if self.projection.forgets:
                found.differing += len(gone.forged)
                found.differences += gone.forged
        return found

    async def _compare(self, snapshot: Connection) -> None:
        found, hidden = self.found, self.projection.key_derived
        connection, schema = self.scratch.connection, self.scratch.target.schema
        content = await stored_content(connection, schema)
        found.public = content_hash(await stored_content(connection, schema, hidden))
        live = await stored_content(snapshot, self.live.schema)
        if content != live:
            reached = {one: at.position for one, at in self.places.items()}
            compared = await comparing.compare(
                comparing.Version(snapshot, self.live.schema, LIVE),
                comparing.Version(connection, schema, LOG),
                self.projection.primary_keys,
                comparing.Cut(found.positions, reached),
            )
            live, content = compared.contents
            found.later, found.since = compared.later, compared.since
            found.differing = compared.differing
            found.differences = [masked(one, hidden) for one in compared.told]
        found.rows = sum(one.rows for one in content.values())
        found.content, found.live = content_hash(content), content_hash(live)


class _Walk:
    """One pass over the log."""

    def __init__(self, cut: Cut, parts: Sequence[_Part]) -> None:
        self._parts = parts
        self._border = Border(cut)
        self.erased: dict[str, int] = {}
        """The last generation of each subject whose erasure the log holds."""

    async def run(self, read: Read, size: int, progress: Progress) -> None:
        topics = {one.live.topic for one in self._parts} | {SUBJECT_REGISTERED.name}
        done = 0
        async for stretch in stretches(read, size, topics):
            for _, record in stretch:
                erased.note(self.erased, record)
            inside = [one for index, one in stretch if self._border.admits(index, one)]
            for part in self._parts:
                await part.take([one for one in inside if one.topic == part.live.topic])
            done = min(done + STRETCH_LEAVES, size)
            progress(STEP, done, size)
        for place, offset in self._border.beyond.items():
            for part in self._parts:
                if part.live.topic == place.topic:
                    part.beyond[place.partition] = offset


@dataclass(frozen=True, slots=True)
class _Erased:
    """Erased generations by subject, and those that the database claims and the log denies."""

    generations: Mapping[str, int]
    forged: list[Difference]

    @classmethod
    def told(
        cls, logged: Mapping[str, int], carried_out: Mapping[str, int], parts: Sequence[_Part]
    ) -> "_Erased":
        """A log that is behind may lack the facts of the latest: then the database is believed."""
        unasked = {
            subject: generation
            for subject, generation in carried_out.items()
            if logged.get(subject, 0) < generation
        }
        topic = SUBJECT_REGISTERED.name
        known = [one for one in parts if one.live.topic == topic]
        if not known or not all(one.has_all(number) for one in known for number in one.places):
            return cls({**logged, **unasked}, [])
        forged = [
            Difference(ERASED_TABLE, {"subject": subject}, subject, (), LOG)
            for subject in sorted(unasked)
        ]
        return cls(logged, forged)
