"""The publisher's own token, against the verifier of the API."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from consumers.api.tokens import TokenVerifier, Unauthenticated
from streams.intake import SigningKey
from streams.intake.tokens import AUDIENCE, publisher_token
from tests.unit.streams.intake.backbone import PHARMACY, START, FakeBackbone


def verifier(backbone: FakeBackbone, now: datetime = START) -> TokenVerifier:
    return TokenVerifier(issuers=(), publishers=backbone, audience=AUDIENCE, clock=lambda: now)


def test_the_api_takes_a_publishers_token_for_the_pharmacy(
    backbone: FakeBackbone, key: SigningKey
) -> None:
    principal = verifier(backbone).verify(publisher_token(PHARMACY, key, START))
    assert (principal.role, principal.publisher) == ("pharmacy", PHARMACY)
    assert principal.organisation == PHARMACY


def test_no_two_tokens_are_the_same(key: SigningKey) -> None:
    assert publisher_token(PHARMACY, key, START) != publisher_token(PHARMACY, key, START)


def _late(key: SigningKey) -> str:
    return publisher_token(PHARMACY, key, START - timedelta(minutes=5))


def _early(key: SigningKey) -> str:
    return publisher_token(PHARMACY, key, START + timedelta(minutes=5))


def _for_another_service(key: SigningKey) -> str:
    return publisher_token(PHARMACY, key, START, audience="https://other.example")


def _of_another_pharmacy(key: SigningKey) -> str:
    return publisher_token("80000654", key, START)


def _with_a_strangers_key(_key: SigningKey) -> str:
    return publisher_token(PHARMACY, SigningKey.generate("1"), START)


def _with_a_key_not_enrolled(_key: SigningKey) -> str:
    return publisher_token(PHARMACY, SigningKey.generate("2"), START)


@pytest.mark.parametrize(
    "make",
    [
        _late,
        _early,
        _for_another_service,
        _of_another_pharmacy,
        _with_a_strangers_key,
        _with_a_key_not_enrolled,
    ],
)
def test_no_other_token_is_taken_bad(
    backbone: FakeBackbone, key: SigningKey, make: Callable[[SigningKey], str]
) -> None:
    with pytest.raises(Unauthenticated):
        verifier(backbone).verify(make(key))
