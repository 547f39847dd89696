"""Numbers of a publisher: gaps noticed and closed, replays recognised, reuse refused."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.receipts import GapClosed, GapNoticed, Receipt, SubmissionRef
from streams.quality import numbering
from streams.quality.numbering import Fresh, Notice, Numbered, Numbers, Replay, Reused, Used

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
    numbers = Numbers()
    for one in claims:
        receipt = receipt_of(one)
        numbering.evolve(numbers, receipt, receipt.write())
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
    numbers = Numbers()
    bare = receipt_of(claim(1)).model_copy(
        update={
            "submission": SubmissionRef(
                partition=0, offset=0, appended_at=datetime(2026, 3, 10, tzinfo=UTC)
            )
        }
    )
    numbering.evolve(numbers, bare, bare.write())
    assert numbers == Numbers()


@given(st.lists(st.integers(1, 30), max_size=40))
def test_missing_ranges_are_exactly_the_numbers_below_the_highest_that_never_came(
    sequences: list[int],
) -> None:
    numbers = Numbers()
    open_gaps: set[int] = set()
    for one in sequences:
        match numbering.decide(numbers, claim(one)):
            case Fresh(notices):
                for notice in notices:
                    if isinstance(notice, GapNoticed):
                        open_gaps |= set(range(notice.first, notice.last + 1))
                    else:
                        open_gaps.remove(notice.number)
            case Replay() | Reused():
                assert one in sequences[: sequences.index(one) + 1]
        receipt = receipt_of(claim(one))
        numbering.evolve(numbers, receipt, receipt.write())
    if sequences:
        epoch = numbers.epochs["e"]
        missing = {n for first, last in epoch.missing for n in range(first, last + 1)}
        assert missing == open_gaps == set(range(1, max(sequences))) - set(sequences)
        assert epoch.highest == max(sequences)
        assert all(first <= last for first, last in epoch.missing)
