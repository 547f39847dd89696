"""What stands about a subject as of a position, and what a decision about it rests on; pure.

The rows are those of `access_state`, from the database or from a replay of the log. A person with
two numbers is two subjects: each holds one half of the merge, and only when both halves stand are
they one. Then consent, links, mandates and parents are those of the number in use, exclusions those
of all numbers, and so is the history. Source: domain reference, sections 4.1 and 9.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from projections.access import AccessFacts, Exclusion, Link, Mandate, Parent

Kind = Literal["consent", "link", "exclusion", "mandate", "parent", "death", "merge"]
_REPLACED: Final = "replaced"


@dataclass(frozen=True, slots=True)
class RegistrationRow:
    """One thing registered: in force until `ended_at`.

    A mandate waits until `accepted_at`. `party` is whom it is about (the holder of a mandate, the
    other subject of a merge), `variety` the type of link or mandate, or the side of a merge.
    Positions are offsets of the facts in `partition`.
    """

    kind: Kind
    id: str
    subject: str
    generation: int
    ce_id: str
    event_type: str
    recorded_at: datetime
    author_role: str
    author: str
    sealed: str
    party: str | None
    party_kind: str | None
    variety: str | None
    valid_from: datetime | None
    valid_until: datetime | None
    accepted_at: datetime | None
    ended_at: datetime | None
    partition: int = 0
    position: int = 0
    accepted_position: int | None = None
    ended_position: int | None = None

    def stands_at(self, cut: int | None) -> bool:
        """Whether it stands when facts before `cut` are known; None: all there are."""
        if cut is None:
            return self.ended_at is None
        begun = self.position < cut
        return begun and (self.ended_position is None or self.ended_position >= cut)

    def accepted_by(self, cut: int | None) -> bool:
        """Whether a mandate was accepted when facts before `cut` are known."""
        if self.accepted_at is None:
            return False
        return cut is None or self.accepted_position is None or self.accepted_position < cut


Rows = Mapping[str, Sequence[RegistrationRow]]
"""By subject: its own rows, and the halves of merges of others that name it."""


def standing(
    rows: Iterable[RegistrationRow], as_of: Mapping[int, int] | None
) -> list[RegistrationRow]:
    """The rows in force at a cut; a partition that it does not name counts as it is now."""
    cut: Mapping[int, int] = as_of or {}
    return [row for row in rows if row.stands_at(cut.get(row.partition))]


def stood_at(rows: Iterable[RegistrationRow], at: datetime) -> list[RegistrationRow]:
    """The rows as they stood at a moment, by the append times of the registrations.

    What was registered later is left out, what ended later had not ended, and a mandate that was
    accepted later waited.
    """
    return [
        replace(
            row,
            accepted_at=row.accepted_at if _until(row.accepted_at, at) else None,
            ended_at=row.ended_at if _until(row.ended_at, at) else None,
        )
        for row in rows
        if row.recorded_at <= at
    ]


def stood_before(rows: Iterable[RegistrationRow], position: int) -> list[RegistrationRow]:
    """The rows as they stood when only the facts before a position were known."""
    return [
        replace(
            row,
            accepted_at=row.accepted_at if row.accepted_by(position) else None,
            ended_at=None if row.stands_at(position) else row.ended_at,
        )
        for row in rows
        if row.position < position
    ]


def _until(moment: datetime | None, at: datetime) -> bool:
    return moment is not None and moment <= at


def concerned(subject: str, rows: Rows) -> tuple[str, ...]:
    """Every subject that a merge ties to this one, as far as `rows` tells; itself first."""
    found = [subject]
    for one in found:
        named = dict.fromkeys(_named(one, rows.get(one, ())))
        found += [other for other in named if other not in found]
    return tuple(found)


def access_facts(
    subject: str, rows: Rows, at: datetime, as_of: Mapping[int, int] | None = None
) -> AccessFacts:
    """What a decision about a person rests on; `rows` holds every subject that is concerned.

    Only rows that stand at the cut `as_of` are to be given.
    """
    person = concerned(subject, rows)
    if len(person) == 1:
        return _facts(rows.get(subject, ()), subject, at, as_of)
    pairs = {(row.subject, row.party, row.id): row for row in _merges(rows)}
    complete = {key for key in pairs if _is_answered(pairs, key)}
    in_use = _in_use(subject, complete, pairs)
    own = _facts(rows.get(in_use, ()), in_use, at, as_of)
    exclusions = [e for one in person for e in _exclusions(rows.get(one, ()), one, at)]
    others = tuple(one for one in person if one != in_use)
    return AccessFacts(
        consent=own.consent,
        links=own.links,
        exclusions=tuple(exclusions),
        mandates=own.mandates,
        generation=own.generation,
        parents=own.parents,
        death=own.death or _death(rows, others),
        merge_pending=len(complete) < len(pairs),
        person=(in_use, *others),
    )


_Half = tuple[str, str | None, str]
"""A subject, the other subject, and the merge."""


def _is_answered(pairs: Mapping[_Half, RegistrationRow], key: _Half) -> bool:
    """Whether the other half is there, and says that it is the other side."""
    subject, other, merge = key
    answer = pairs.get((other or "", subject, merge))
    return answer is not None and answer.variety != pairs[key].variety


def _in_use(subject: str, complete: set[_Half], pairs: Mapping[_Half, RegistrationRow]) -> str:
    """The subject whose number replaces all others; merges in a ring leave the last one passed."""
    passed = [subject]
    for one in passed:
        for key in sorted(complete, key=str):
            other = key[1]
            is_replaced = key[0] == one and pairs[key].variety == _REPLACED
            if is_replaced and other is not None and other not in passed:
                passed.append(other)
    return passed[-1]


def _named(subject: str, rows: Iterable[RegistrationRow]) -> Iterator[str]:
    for row in rows:
        if row.kind == "merge" and row.party is not None:
            yield row.party if row.subject == subject else row.subject


def _merges(rows: Rows) -> Iterator[RegistrationRow]:
    for found in rows.values():
        yield from (row for row in found if row.kind == "merge")


def _death(rows: Rows, subjects: Iterable[str]) -> str | None:
    deaths = [row.id for one in subjects for row in rows.get(one, ()) if row.kind == "death"]
    return min(deaths, default=None)


def _living(rows: Iterable[RegistrationRow], subject: str, at: datetime) -> list[RegistrationRow]:
    """The subject's own rows of its last generation that are not over by `at`."""
    own = [row for row in rows if row.subject == subject]
    generation = max((row.generation for row in own), default=1)
    return [
        row
        for row in own
        if row.generation == generation and (row.valid_until is None or at < row.valid_until)
    ]


def _exclusions(rows: Iterable[RegistrationRow], subject: str, at: datetime) -> Iterator[Exclusion]:
    for row in _living(rows, subject, at):
        if row.kind == "exclusion":
            yield Exclusion(row.id, row.party or "")


def _facts(
    rows: Iterable[RegistrationRow], subject: str, at: datetime, as_of: Mapping[int, int] | None
) -> AccessFacts:
    living, cut = _living(rows, subject, at), as_of or {}
    consents = [row.ce_id for row in living if row.kind == "consent"]
    deaths = [row.id for row in living if row.kind == "death"]
    return AccessFacts(
        consent=consents[-1] if consents else None,
        links=tuple(_link(row) for row in living if row.kind == "link"),
        exclusions=tuple(_exclusions(living, subject, at)),
        mandates=tuple(
            Mandate(row.id, row.party or "", row.variety or "", row.valid_until)
            for row in living
            if row.kind == "mandate" and row.accepted_by(cut.get(row.partition))
        ),
        generation=max((row.generation for row in living), default=1),
        parents=tuple(_parent(row) for row in living if row.kind == "parent"),
        death=deaths[-1] if deaths else None,
    )


def _link(row: RegistrationRow) -> Link:
    if row.valid_from is None or row.valid_until is None:
        raise TypeError("a link without validity: access_state_v1.link does not allow nulls there")
    return Link(row.id, row.party or "", row.variety or "", row.valid_from, row.valid_until)


def _parent(row: RegistrationRow) -> Parent:
    if row.valid_until is None:
        raise TypeError("a parent without end: access_state_v1.parent does not allow nulls there")
    return Parent(row.id, row.party or "", row.valid_until)
