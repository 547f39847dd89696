"""Returns against their line: a table of cases; the order of arrival makes no difference."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.netting import Net, brought_back, net
from schemas.dispensation import LineContent, MedicinalProduct

PHARMACY, OTHER = "80000551", "27457532"
LINE = "00000000-0000-4000-8000-000000000001"
OTHER_LINE = "00000000-0000-4000-8000-000000000002"


def line(units: int, returns: str | None = LINE, pharmacy: str = PHARMACY) -> LineContent:
    return LineContent(
        sguid="00000000-0000-4000-8000-000000000000",
        pharmacy=pharmacy,
        delivered_at=datetime(2026, 3, 10, tzinfo=UTC),
        product=MedicinalProduct(cnk="0000000"),
        units=units,
        returns=returns,
    )


CASES = [
    # what happened, units delivered, returns that stand, what is left
    ("nothing came back", 3, [], Net(0, 3)),
    ("a part came back", 3, [line(-1)], Net(1, 2)),
    ("in two parts", 3, [line(-1), line(-1)], Net(2, 1)),
    ("fully returned", 3, [line(-3)], Net(3, 0)),
    ("fully returned in parts", 3, [line(-1), line(-2)], Net(3, 0)),
    ("a return that was corrected from 2 to 1 stands as 1", 3, [line(-1)], Net(1, 2)),
    ("the line was corrected below what came back", 1, [line(-2)], Net(2, 0)),
    ("another line of the pharmacy came back", 3, [line(-1, OTHER_LINE)], Net(0, 3)),
    ("another pharmacy's line of that number came back", 3, [line(-1, LINE, OTHER)], Net(0, 3)),
    ("a delivery names nothing", 3, [line(2, None)], Net(0, 3)),
    ("a delivery that names a line brings nothing back", 3, [line(2)], Net(0, 3)),
    ("a return has nothing to be left", -1, [line(-1)], None),
    ("a line of nothing neither", 0, [], None),
]


@pytest.mark.parametrize(
    ("units", "returns", "wanted"), [one[1:] for one in CASES], ids=[one[0] for one in CASES]
)
def test_what_is_left_of_a_line(units: int, returns: list[LineContent], wanted: Net | None) -> None:
    assert net((PHARMACY, LINE), units, brought_back(returns)) == wanted


def test_a_return_that_is_seen_before_its_line_nets_it_when_it_comes() -> None:
    returned = brought_back([line(-2)])
    assert net((PHARMACY, OTHER_LINE), 5, returned) == Net(0, 5)
    assert net((PHARMACY, LINE), 5, returned) == Net(2, 3)


RETURNS = st.lists(
    st.builds(line, st.integers(-5, -1), st.sampled_from([LINE, OTHER_LINE, None])), max_size=8
)


@given(RETURNS, st.randoms(use_true_random=False), st.integers(1, 20))
def test_the_order_of_returns_makes_no_difference_and_nothing_is_left_below_zero(
    returns: list[LineContent], random: object, units: int
) -> None:
    shuffled = list(returns)
    random.shuffle(shuffled)  # type: ignore[attr-defined] # hypothesis gives a Random
    assert brought_back(shuffled) == brought_back(returns)
    found = net((PHARMACY, LINE), units, brought_back(returns))
    assert found is not None
    assert found.left >= 0
    assert found.left + found.returned >= units
