"""The cache of secrets ages, stays bounded, and forgets at once."""

import pytest

from infra.keys.cache import MAX_SECONDS, SecretCache


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def keep(cache: SecretCache[str, int], **values: int) -> None:
    asked = cache.asked()
    for key, value in values.items():
        cache.keep(asked, key, value)


def test_a_value_is_answered_until_it_is_sixty_seconds_old(clock: Clock) -> None:
    cache: SecretCache[str, int] = SecretCache(clock)
    keep(cache, a=1)
    clock.now += MAX_SECONDS - 0.001
    assert cache.get("a") == 1
    clock.now += 0.001
    assert cache.get("a") is None


def test_a_value_ages_from_when_it_was_asked_for(clock: Clock) -> None:
    cache: SecretCache[str, int] = SecretCache(clock)
    asked = cache.asked()
    clock.now += 59
    cache.keep(asked, "a", 1)
    clock.now += 1
    assert cache.get("a") is None


def test_using_a_value_does_not_make_it_younger(clock: Clock) -> None:
    cache: SecretCache[str, int] = SecretCache(clock)
    keep(cache, a=1)
    for _ in range(6):
        clock.now += 10
        found = cache.get("a")
    assert found is None


def test_old_values_leave_memory_when_any_other_is_asked_for(clock: Clock) -> None:
    cache: SecretCache[str, int] = SecretCache(clock)
    keep(cache, a=1, b=2)
    clock.now += MAX_SECONDS
    cache.get("c")
    assert len(cache) == 0


def test_the_one_fetched_first_makes_room(clock: Clock) -> None:
    cache: SecretCache[str, int] = SecretCache(clock, max_entries=2)
    keep(cache, a=1, b=2)
    keep(cache, a=3)
    keep(cache, c=4)
    assert len(cache) == 2
    assert cache.split(["a", "b", "c"]) == ({"a": 3, "c": 4}, {"b"})


def test_a_cleared_cache_is_empty_and_keeps_no_answer_that_is_under_way(clock: Clock) -> None:
    cache: SecretCache[str, int] = SecretCache(clock)
    asked = cache.asked()
    keep(cache, a=1, b=2)
    cache.clear()
    cache.keep(asked, "a", 1)
    assert len(cache) == 0


def test_what_was_forgotten_is_gone_and_the_rest_stays(clock: Clock) -> None:
    cache: SecretCache[str, int] = SecretCache(clock)
    keep(cache, a=1, b=2)
    cache.forget(["a", "unknown"])
    assert cache.split(["a", "b"]) == ({"b": 2}, {"a"})


def test_an_answer_under_way_while_secrets_are_forgotten_is_not_kept(clock: Clock) -> None:
    cache: SecretCache[str, int] = SecretCache(clock)
    asked = cache.asked()
    cache.forget(["a"])
    cache.keep(asked, "a", 1)
    assert cache.get("a") is None
    keep(cache, a=2)
    assert cache.get("a") == 2


def test_what_is_too_old_is_asked_for_again_among_many(clock: Clock) -> None:
    cache: SecretCache[str, int] = SecretCache(clock)
    early = cache.asked()
    clock.now += MAX_SECONDS - 1
    keep(cache, b=2)
    cache.keep(early, "a", 1)
    assert cache.split(["a", "b"]) == ({"a": 1, "b": 2}, set())
    clock.now += 1
    assert cache.split(["a", "b"]) == ({"b": 2}, {"a"})
