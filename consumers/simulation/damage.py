"""Damage to records, bodies that are no bodies, and what goes wrong with numbers.

Records whose seal shows nobody leave their number free, so the right submission that follows takes
it; a body that cannot be read uses its number up.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from consumers.simulation.drafting import Draft, Planner
from consumers.simulation.plan import ExpectedReceipt, Mutation
from consumers.simulation.year import Visit, new_guid
from schemas.deadletter import DeadLetterReason
from schemas.dispensation import MAX_SUBMISSION_BYTES

Plant = Callable[[Planner, Draft], None]
_BEFORE: Final = 0.5
TYPE_UNKNOWN: Final = "be.dpp.dispensation.forget.v1"
DEEP: Final = 20_000
"""Levels of a body that is too deep and still small enough to be opened."""
DEEPER: Final = 100_000
"""Levels of a body that is too large by them."""


def damaged(
    kind: str, mutation: Mutation, *codes: str, dead_letter: DeadLetterReason | None = None
) -> Plant:
    """A plant: the host's record is first sent damaged, then as it should be."""

    def plant(planner: Planner, host: Draft) -> None:
        draft = planner.barred(kind, host.visit, host.place - _BEFORE)
        draft.expected = ExpectedReceipt("rejected", tuple(sorted(codes)), (), dead_letter)
        draft.mutation = mutation
        draft.numbering = "free"
        draft.key = None if mutation == "no_key" else draft.key
        planner.add(draft)

    return plant


def malformed(kind: str, alter: Callable[[bytes], bytes], code: str = "BODY_MALFORMED") -> Plant:
    """A plant: a body that is not the agreed JSON comes first, the right one follows."""

    def plant(planner: Planner, host: Draft) -> None:
        draft = planner.barred(kind, host.visit, host.place - _BEFORE, code)
        draft.body = alter(draft.body)
        planner.add(draft)

    return plant


def syntax(body: bytes) -> bytes:
    """A text that ends too early."""
    return body[:-1]


def not_utf8(body: bytes) -> bytes:
    """A byte that no UTF-8 text has."""
    return body.replace(b'"sguid":"', b'"sguid":"\xff', 1)


def not_json(_body: bytes) -> bytes:
    """Bytes that are no text."""
    return bytes(range(255, 0, -1))


def duplicate_key(body: bytes) -> bytes:
    """A member that stands twice."""
    return body.replace(b"{", b'{"sguid":"",', 1)


def not_a_number(body: bytes) -> bytes:
    """NaN, which is not JSON."""
    return body.replace(b'"units":', b'"units":NaN,"was":', 1)


def surrogate(body: bytes) -> bytes:
    """An escape that names half of a pair."""
    return body.replace(b'"sguid":"', b'"sguid":"\\ud800', 1)


def too_deep(body: bytes) -> bytes:
    """Arrays in arrays, as deep as the size limit lets through."""
    return body.replace(b"{", b'{"deep":' + b"[" * DEEP + b"]" * DEEP + b",", 1)


def far_too_deep(body: bytes) -> bytes:
    """So many arrays in arrays that they are too large."""
    return body.replace(b"{", b'{"deep":' + b"[" * DEEPER + b"]" * DEEPER + b",", 1)


def number_for_text(body: bytes) -> bytes:
    """A number where text belongs."""
    return body.replace(b'"sguid":"', b'"sguid":12,"was":"', 1)


def member_missing(body: bytes) -> bytes:
    """No visit."""
    return body.replace(b'"sguid":', b'"visit":', 1)


def nobody(body: bytes) -> bytes:
    """Nobody."""
    return body.replace(b'"patient":', b'"person":', 1)


def two(body: bytes) -> bytes:
    """Two patients in one submission."""
    return body.replace(b'"patient":', b'"patient":[{"niss":"00000000097"},', 1).replace(
        b',"delivered_at"', b'],"delivered_at"', 1
    )


def too_large(planner: Planner, host: Draft) -> None:
    """A body of 100,000 levels, which the size limit stops."""
    draft = _refused_free(planner, "depth_100000", host, "SUBMISSION_TOO_LARGE")
    draft.body = far_too_deep(draft.body)
    if len(draft.body) <= MAX_SUBMISSION_BYTES:
        raise AssertionError("the body was meant to be larger than what is accepted")


def type_unknown(planner: Planner, host: Draft) -> None:
    """A type of submission that does not exist."""
    _refused_free(planner, "type_unknown", host, "EVENT_TYPE_UNKNOWN").type = TYPE_UNKNOWN


def id_no_guid(planner: Planner, host: Draft) -> None:
    """A submission whose id is no identifier."""
    _refused_free(planner, "id_no_guid", host, "HEADER_INVALID").id = "submission-1"


def stranger(planner: Planner, host: Draft) -> None:
    """A number under which no pharmacy is enrolled."""
    draft = _refused_free(planner, "publisher_unknown", host, "PUBLISHER_UNKNOWN")
    draft.key = planner.rng.choice(planner.strangers)
    draft.expected = replace(draft.expected, dead_letter="unknown_publisher")


def message_replay(planner: Planner, host: Draft) -> None:
    """The same record again, byte for byte."""
    _again(planner, host, "message_replay").mutation = "copy"


def message_resealed(planner: Planner, host: Draft) -> None:
    """The same message again, sealed anew."""
    _again(planner, host, "message_resealed")


def number_reused(planner: Planner, host: Draft) -> None:
    """Another message under a number that was used."""
    draft = planner.barred(
        "number_reused", _other_visit(planner, host), planner.later(host), "SEQUENCE_REUSED"
    )
    draft.numbering, draft.host = "host", host
    planner.add(draft)


def number_reused_same_id(planner: Planner, host: Draft) -> None:
    """Other content under a number and id that were used."""
    number_reused(planner, host)
    draft = planner.drafts[host.visit.pharmacy][-1]
    draft.kind, draft.id = "number_reused_same_id", host.id


def id_reused(planner: Planner, host: Draft) -> None:
    """Another message, with a new number, under an id that was used."""
    visit = _other_visit(planner, host)
    draft = planner.barred("id_reused", visit, planner.later(host), "ID_REUSED")
    draft.id = host.id
    planner.add(draft)


def number_lost(planner: Planner, host: Draft) -> None:
    """Numbers that never arrive: their gap stays open."""
    host.kind = "number_lost"
    host.skip = planner.rng.randint(1, 3)


def number_late(planner: Planner, host: Draft) -> None:
    """A number that arrives after younger ones: its gap is noticed and closed."""
    host.kind = "number_late"
    host.place = planner.later(host, most=8)


def out_of_order(planner: Planner, host: Draft) -> None:
    """A visit that is submitted after younger ones, with a number of its own time of sending."""
    host.kind = "out_of_order"
    host.place = host.slot = planner.later(host)


def _refused_free(planner: Planner, kind: str, host: Draft, code: str) -> Draft:
    draft = planner.barred(kind, host.visit, host.place - _BEFORE, code)
    draft.numbering = "free"
    return planner.add(draft)


def _again(planner: Planner, host: Draft, kind: str) -> Draft:
    draft = planner.barred(kind, host.visit, planner.later(host))
    draft.expected = ExpectedReceipt("duplicate")
    draft.numbering, draft.host = "host", host
    draft.id, draft.body = host.id, host.body
    return planner.add(draft)


def _other_visit(planner: Planner, host: Draft) -> Visit:
    line = host.visit.lines[0].model_copy(update={"dguid": new_guid(planner.rng)})
    return replace(host.visit, sguid=new_guid(planner.rng), lines=(line,))
