"""The checker of the fault suite finds what is planted, and nothing where nothing is wrong."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from streams.engine.outputs import SourcePosition
from tests.support.chaos.checker import (
    Acknowledged,
    Answer,
    History,
    Kind,
    Place,
    Submitted,
    Written,
    check,
)

PUBLISHERS = ("first", "second")
Plant = Callable[[History], History]


def _fact(partition: int, offset: int) -> Written:
    return Written("facts", partition, SourcePosition(offset, 0), f"fact of {offset}")


def _receipt(partition: int, offset: int, ordinal: int = 1) -> Written:
    source = SourcePosition(offset, ordinal)
    return Written("receipts", partition, source, f"receipt of {offset}", receipt=True)


def _history() -> History:
    """Two partitions, two publishers on each; offsets are not dense, as after transactions."""
    submitted = [
        Submitted(Place(partition, 3 * step), f"{PUBLISHERS[step % 2]}-{partition}", step // 2)
        for partition in range(2)
        for step in range(8)
    ]
    told = [
        Acknowledged(one.publisher, one.number, one.place)
        for one in submitted
        if one.publisher is not None and one.number is not None and one.place.offset != 21
    ]
    places = [one.place for one in submitted]
    written = [*(_fact(*place) for place in places), *(_receipt(*place) for place in places)]
    return History(told, submitted, written)


ANSWERS: dict[Place, Answer] = {
    one.place: (f"fact of {one.place.offset}", f"receipt of {one.place.offset}")
    for one in _history().submitted
}


def _without(*outputs: Written) -> Plant:
    return lambda good: replace(
        good, written=[one for one in good.written if one not in set(outputs)]
    )


def _instead(wrong: Written, of: Written) -> Plant:
    return lambda good: replace(good, written=[wrong if one == of else one for one in good.written])


def _more(*outputs: Written) -> Plant:
    return lambda good: replace(good, written=[*good.written, *outputs])


def _swapped(one: Written, other: Written) -> Plant:
    places = {one: other, other: one}
    return lambda good: replace(good, written=[places.get(found, found) for found in good.written])


def _told(told: Acknowledged) -> Plant:
    return lambda good: replace(good, acknowledged=[*good.acknowledged, told])


def _misplaced(good: History) -> History:
    """The second submission of a publisher stands before its first."""
    one, other = [told for told in good.acknowledged if told.publisher == "first-0"][:2]
    exchange = {
        one.place: Submitted(one.place, other.publisher, other.number),
        other.place: Submitted(other.place, one.publisher, one.number),
    }
    told = {one: replace(one, place=other.place), other: replace(other, place=one.place)}
    return History(
        [told.get(found, found) for found in good.acknowledged],
        [exchange.get(found.place, found) for found in good.submitted],
        good.written,
    )


PLANTED: dict[str, tuple[Plant, set[Kind]]] = {
    "a lost outcome": (_without(_fact(0, 9), _receipt(0, 9)), {"lost"}),
    "the last outcome of a partition lost": (_without(_fact(1, 21), _receipt(1, 21)), {"lost"}),
    "every outcome of a batch lost": (
        _without(*(make(0, at) for at in (6, 9, 12) for make in (_fact, _receipt))),
        {"lost"},
    ),
    "a doubled outcome": (_more(_fact(1, 21), _receipt(1, 21)), {"doubled"}),
    "a doubled fact": (_more(_fact(1, 21)), {"doubled"}),
    "an old outcome doubled": (_more(_fact(0, 3), _receipt(0, 3)), {"doubled"}),
    "another receipt of an answered submission": (_more(_receipt(0, 21, 2)), {"doubled"}),
    "two outcomes of one publisher exchanged": (
        _swapped(_receipt(0, 6), _receipt(0, 12)),
        {"reordered", "publisher order"},
    ),
    "two outcomes of two publishers exchanged": (
        _swapped(_receipt(0, 6), _receipt(0, 9)),
        {"reordered"},
    ),
    "two facts exchanged": (_swapped(_fact(1, 0), _fact(1, 3)), {"reordered"}),
    "a fact without its receipt": (_without(_receipt(0, 9)), {"torn"}),
    "a receipt without its fact": (_without(_fact(0, 9)), {"torn"}),
    "facts of a batch without their receipts": (
        _without(_receipt(0, 15), _receipt(0, 18), _receipt(0, 21)),
        {"torn"},
    ),
    "the first half of a batch": (
        _without(*(make(1, at) for at in (18, 21) for make in (_fact, _receipt))),
        {"lost"},
    ),
    "another fact than the model's": (
        _instead(replace(_fact(0, 9), content="another"), _fact(0, 9)),
        {"changed"},
    ),
    "another receipt than the model's": (
        _instead(replace(_receipt(0, 9), content="another"), _receipt(0, 9)),
        {"changed"},
    ),
    "a receipt alone where the model has a fact": (
        lambda good: _without(_fact(0, 9))(_instead(_receipt(0, 9, 0), _receipt(0, 9))(good)),
        {"changed"},
    ),
    "an answer to nothing": (_more(_fact(0, 22), _receipt(0, 22)), {"unfounded"}),
    "an output that names no source": (
        _more(Written("facts", 0, None, "fact of nothing")),
        {"unfounded"},
    ),
    "an acknowledgement of what is not there": (
        _told(Acknowledged("first-0", 4, Place(0, 24))),
        {"vanished"},
    ),
    "an acknowledgement of another's submission": (
        _told(Acknowledged("third", 0, Place(0, 3))),
        {"vanished"},
    ),
    "submissions of a publisher out of order": (_misplaced, {"publisher order"}),
}


def test_a_good_history_has_no_violation() -> None:
    assert check(_history(), ANSWERS) == ()


def test_nothing_is_a_good_history() -> None:
    assert check(History([], [], []), {}) == ()


def test_a_submission_that_the_model_leaves_open_may_be_answered_anyhow() -> None:
    history = _instead(replace(_fact(0, 9), content="another"), _fact(0, 9))(_history())
    rest = {place: answer for place, answer in ANSWERS.items() if place != Place(0, 9)}
    assert check(history, rest) == ()


@pytest.mark.parametrize(("plant", "kinds"), PLANTED.values(), ids=PLANTED.keys())
def test_a_planted_violation_is_found_bad(plant: Plant, kinds: set[Kind]) -> None:
    planted = plant(_history())
    assert planted != _history()
    assert {found.kind for found in check(planted, ANSWERS)} == kinds


def test_a_violation_says_what_and_where() -> None:
    planted = _without(_fact(0, 9), _receipt(0, 9))(_history())
    assert [str(one) for one in check(planted, ANSWERS)] == ["lost: submission (0, 9)"]
