"""Numbers of a publisher: gaps noticed and closed, replays recognised, reuse refused."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.receipts import GapClosed, GapNoticed, Receipt, SubmissionRef
from streams.engine.tables import in_memory
from streams.quality import numbering
from streams.quality.numbering import Fresh, Notice, Numbered, Numbers, Replay, Reused, Used
from streams.quality.state import HORIZON
from tests.support.state import entries

PHARMACY = "80000551"


def claim(sequence: int, id_: str = "", digest: str = "", epoch: str = "e") -> Numbered:
    name = f"{epoch}-{sequence}"
    return Numbered(PHARMACY, epoch, sequence, id_ or f"id-{name}", digest or f"digest-{name}")


def receipt_of(one: Numbered) -> Receipt:
    ref = SubmissionRef(
        partition=0,
        offset=0,
        appended_at=datetime(2026, 3, 10, tzinfo=UTC),
        id=one.id,
        sequence=one.sequence,
        epoch=one.epoch,
        digest=one.digest,
    )
    return Receipt(outcome="accepted", submission=ref)


def given_numbers(*claims: Numbered) -> Numbers:
    numbers = Numbers(in_memory(), HORIZON)
    for one in claims:
        receipt = receipt_of(one)
        numbering.evolve(numbers, PHARMACY, receipt.submission, receipt.write())
    return numbers


def noticed(first: int, last: int, epoch: str = "e") -> GapNoticed:
    return GapNoticed(publisher=PHARMACY, epoch=epoch, first=first, last=last)


def closed(number: int) -> GapClosed:
    return GapClosed(publisher=PHARMACY, epoch="e", number=number)


@pytest.mark.parametrize(
    ("used", "sequence", "notices"),
    [
        ((), 1, ()),
        ((), 3, (noticed(1, 2),)),
        ((1,), 2, ()),
        ((1,), 3, (noticed(2, 2),)),
        ((1, 2), 9, (noticed(3, 8),)),
        ((1, 5), 3, (closed(3),)),
        ((1, 5), 6, ()),
    ],
)
def test_a_fresh_number_tells_of_the_missing_ones(
    used: tuple[int, ...], sequence: int, notices: tuple[Notice, ...]
) -> None:
    numbers = given_numbers(*(claim(one) for one in used))
    assert numbering.decide(numbers, claim(sequence)) == Fresh(notices)


def test_the_same_submission_again_is_a_replay() -> None:
    numbers = given_numbers(claim(1), claim(2))
    written = receipt_of(claim(1)).write()
    assert numbering.decide(numbers, claim(1)) == Replay(Used("id-e-1", "digest-e-1", written))


def test_a_used_number_with_another_id_is_refused_bad() -> None:
    assert numbering.decide(given_numbers(claim(1)), claim(1, id_="new")) == Reused(
        "SEQUENCE_REUSED"
    )


def test_a_used_number_with_other_content_is_refused_bad() -> None:
    assert numbering.decide(given_numbers(claim(1)), claim(1, digest="other")) == Reused(
        "SEQUENCE_REUSED", content_only=True
    )


def test_a_used_id_under_another_number_is_refused_and_the_number_is_still_used_bad() -> None:
    numbers = given_numbers(claim(1))
    assert numbering.decide(numbers, claim(3, id_="id-e-1")) == Reused(
        "ID_REUSED", (noticed(2, 2),)
    )
    assert numbering.decide(numbers, claim(1, id_="id-e-1", epoch="f")) == Reused("ID_REUSED")


def test_a_new_epoch_starts_at_one_again() -> None:
    numbers = given_numbers(claim(1), claim(7))
    assert numbering.decide(numbers, claim(1, epoch="f")) == Fresh(())
    assert numbering.decide(numbers, claim(2, epoch="f")) == Fresh((noticed(1, 1, "f"),))


def test_a_receipt_without_trusted_attributes_uses_no_number() -> None:
    numbers = Numbers(in_memory(), HORIZON)
    bare = receipt_of(claim(1)).model_copy(
        update={
            "submission": SubmissionRef(
                partition=0, offset=0, appended_at=datetime(2026, 3, 10, tzinfo=UTC)
            )
        }
    )
    numbering.evolve(numbers, PHARMACY, bare.submission, bare.write())
    assert (entries(numbers.epochs), entries(numbers.used), entries(numbers.ids)) == ({}, {}, {})


ARRIVALS = st.lists(
    st.tuples(st.sampled_from("ef"), st.integers(1, 25), st.sampled_from(["same", "other"])),
    max_size=60,
)
"""Submissions as they arrive: epoch, number, and whether it is the number's own content."""


@given(ARRIVALS)
def test_every_number_that_has_not_arrived_is_in_exactly_one_open_range(
    arrivals: list[tuple[str, int, str]],
) -> None:
    """A publisher's letters, put together, say at any time what is missing and nothing else."""
    numbers = Numbers(in_memory(), HORIZON)
    arrived: dict[str, dict[int, str]] = {"e": {}, "f": {}}
    ranges: dict[str, list[tuple[int, int]]] = {"e": [], "f": []}
    for epoch, number, content in arrivals:
        one = claim(number, digest=content, epoch=epoch)
        verdict = numbering.decide(numbers, one)
        known = arrived[epoch].setdefault(number, content)
        match verdict:
            case Fresh(notices):
                ranges[epoch] = _told(ranges[epoch], notices)
            case Replay(used):
                assert (used.digest, known) == (content, content)
            case Reused():
                assert (verdict.code, verdict.notices) == ("SEQUENCE_REUSED", ())
                assert known != content
        receipt = receipt_of(one)
        numbering.evolve(numbers, PHARMACY, receipt.submission, receipt.write())
        numbering.evolve(numbers, PHARMACY, receipt.submission, receipt.write())
        highest = max(arrived[epoch])
        missing = [n for first, last in ranges[epoch] for n in range(first, last + 1)]
        assert sorted(missing) == [n for n in range(1, highest) if n not in arrived[epoch]]
        state = entries(numbers.epochs)[PHARMACY, epoch]
        assert (sorted(state.missing), state.highest) == (sorted(ranges[epoch]), highest)


def _told(ranges: list[tuple[int, int]], notices: tuple[Notice, ...]) -> list[tuple[int, int]]:
    """What is missing after notices, as their reader puts it together."""
    for notice in notices:
        if isinstance(notice, GapNoticed):
            ranges = [*ranges, (notice.first, notice.last)]
            continue
        (within,) = [gap for gap in ranges if gap[0] <= notice.number <= gap[1]]
        rest = [(within[0], notice.number - 1), (notice.number + 1, within[1])]
        ranges = [gap for gap in ranges if gap != within]
        ranges += [gap for gap in rest if gap[0] <= gap[1]]
    return ranges


@given(st.permutations(range(1, 13)))
def test_once_all_have_arrived_in_any_order_every_gap_is_closed_by_one_notice_per_number(
    order: list[int],
) -> None:
    numbers = Numbers(in_memory(), HORIZON)
    closings: list[int] = []
    noticed_numbers: list[int] = []
    for one in order:
        verdict = numbering.decide(numbers, claim(one))
        assert isinstance(verdict, Fresh)
        assert len(verdict.notices) <= 1, "a jump is one range, so one notice says it"
        for notice in verdict.notices:
            if isinstance(notice, GapNoticed):
                noticed_numbers += range(notice.first, notice.last + 1)
            else:
                closings.append(notice.number)
        receipt = receipt_of(claim(one))
        numbering.evolve(numbers, PHARMACY, receipt.submission, receipt.write())
    assert entries(numbers.epochs)[PHARMACY, "e"].missing == ()
    assert sorted(closings) == sorted(noticed_numbers)
    assert len(set(closings)) == len(closings)
