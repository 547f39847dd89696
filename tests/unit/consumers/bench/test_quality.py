"""What `dpp bench quality` needs no broker for: order, percentiles, seeded keys, and refusals."""

import asyncio
import sys
from collections import Counter
from collections.abc import Generator
from datetime import date

import pytest

from consumers.bench.quality import quix
from consumers.bench.quality.contender import CONTENDERS
from consumers.bench.quality.latency import _percentile, _slices
from consumers.bench.quality.measure import FULL, _order
from consumers.bench.quality.stage import SeededVault, finished, own_topics
from consumers.bench.quality.world import LINES_PER_SUBMISSION
from schemas import topics


def test_every_contender_runs_once_in_a_round_and_no_place_favours_one() -> None:
    names = tuple(CONTENDERS)
    rounds = [list(_order(names, number)) for number in range(len(names))]
    assert all(sorted(one) == sorted(names) for one in rounds)
    assert Counter(one[0] for one in rounds) == dict.fromkeys(names, 1)


def test_checkpoints_of_quix_end_with_the_input() -> None:
    assert FULL.count % quix.COMMIT_EVERY == 0


def test_a_rival_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "quixstreams", None)
    with pytest.raises(quix.RivalMissing, match="make setup"):
        quix.load()


@pytest.mark.parametrize(
    ("share", "value"), [(0.5, 50.0), (0.95, 95.0), (0.99, 99.0), (1.0, 100.0), (0.001, 1.0)]
)
def test_a_percentile_is_the_smallest_value_that_its_share_does_not_exceed(
    share: float, value: float
) -> None:
    assert _percentile([float(one) for one in range(1, 101)], share) == value


def test_the_percentiles_of_one_value_are_that_value() -> None:
    assert {_percentile([7.0], share) for share in (0.5, 0.99, 1.0)} == {7.0}


def test_slices_hold_everything_once_each_in_order_of_size() -> None:
    parts = list(_slices([3.0, 1.0, 2.0, 9.0, 8.0, 7.0, 5.0], 3))
    assert sorted(one for part in parts for one in part) == [1.0, 2.0, 3.0, 5.0, 7.0, 8.0, 9.0]
    assert all(part == sorted(part) for part in parts)
    assert all(parts)


def test_two_vaults_of_one_seed_hold_the_same_secrets_and_others_hold_others() -> None:
    async def secrets(seed: bytes) -> list[object]:
        vault = SeededVault(seed)
        days = await vault.period_secrets([date(2026, 3, 10)])
        subjects = await vault.subject_secrets(["one", "two"])
        return [vault.intake, await vault.root_key("pseudonym"), dict(days), dict(subjects)]

    same = asyncio.run(secrets(b"seed"))
    assert asyncio.run(secrets(b"seed")) == same
    assert all(
        mine != other for mine, other in zip(same, asyncio.run(secrets(b"else")), strict=True)
    )


def test_a_contender_has_topics_of_its_own() -> None:
    first, second = own_topics("engine-0"), own_topics("engine-1")
    assert set(first) == {
        topics.DISPENSATION_RECORDED.name,
        topics.DISPENSATION_RECEIPTS.name,
        topics.DISPENSATION_DEADLETTER.name,
    }
    names = {one.name for one in (*first.values(), *second.values())}
    assert len(names) == 2 * len(first)
    assert all(first[name].config(1) == second[name].config(1) for name in first)


class _Waiting:
    def __await__(self) -> Generator[None, None, None]:
        yield


def test_a_coroutine_that_waits_is_refused() -> None:
    async def waits() -> None:
        await _Waiting()

    with pytest.raises(RuntimeError, match="waits"):
        finished(waits())


def test_the_input_is_small_enough_to_be_made_in_seconds() -> None:
    assert (FULL.count + FULL.spare) * LINES_PER_SUBMISSION < 100_000
