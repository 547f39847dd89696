"""The rank test by which refusals are compared."""

import random

import pytest

from consumers.bench.refusals import compare


def test_samples_of_one_source_are_not_told_apart() -> None:
    rng = random.Random(1)  # noqa: S311 - samples of a test
    one, other = ([rng.lognormvariate(0, 1) for _ in range(400)] for _ in range(2))
    found = compare(one, other)
    assert abs(found.share - 0.5) < 0.06
    assert found.p > 0.01


def test_a_small_delay_shows() -> None:
    rng = random.Random(1)  # noqa: S311 - samples of a test
    one = [rng.gauss(10.5, 1) for _ in range(400)]
    other = [rng.gauss(10.0, 1) for _ in range(400)]
    found = compare(one, other)
    assert found.share > 0.6
    assert found.p < 0.001
    turned = compare(other, one)
    assert turned.share == pytest.approx(1 - found.share)
    assert turned.p == pytest.approx(found.p)


def test_ties_count_by_half() -> None:
    assert compare([1.0, 1.0], [1.0, 1.0]).share == 0.5
    assert compare([1.0, 1.0], [1.0, 1.0]).p == 1.0
    assert compare([1.0, 2.0], [1.0, 2.0]).share == 0.5


def test_known_values() -> None:
    # Ranks 1, 2, 4 of 7: U = 1 of 12.
    found = compare([1.0, 2.0, 4.0], [3.0, 5.0, 6.0, 7.0])
    assert found.share == pytest.approx(1 / 12)
    assert found.p == pytest.approx(0.0771, abs=0.0005)
