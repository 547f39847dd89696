"""Pseudonyms: one per person whatever the punctuation, unlinkable without the key."""

import pytest
from stdnum.exceptions import ValidationError

from schemas.registrations import PartyKind
from schemas.sealing.pseudonym import party_pseudonym, subject_pseudonym

KEY, OTHER = bytes(32), bytes(range(32))


def test_a_pseudonym_is_26_characters_of_lower_case_base32() -> None:
    made = subject_pseudonym(KEY, "85000000138")
    assert len(made) == 26
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz234567")


@pytest.mark.parametrize("written", ["85.00.00-001.38", "85.00.00-001 38", " 85000000138 "])
def test_punctuation_does_not_make_another_person(written: str) -> None:
    assert subject_pseudonym(KEY, written) == subject_pseudonym(KEY, "85000000138")


def test_another_key_makes_another_pseudonym() -> None:
    assert subject_pseudonym(KEY, "85000000138") != subject_pseudonym(OTHER, "85000000138")


def test_a_citizen_is_the_subject() -> None:
    assert party_pseudonym(KEY, "citizen", "85000000138") == subject_pseudonym(KEY, "85000000138")


def test_a_professional_is_the_same_whatever_the_qualification() -> None:
    made = {
        party_pseudonym(KEY, "professional", number)
        for number in ("10000106001", "1-00001-06-999", "10000106")
    }
    assert len(made) == 1


def test_an_enterprise_is_the_same_however_its_number_is_written() -> None:
    made = {
        party_pseudonym(KEY, "organisation", number)
        for number in ("0428759497", "BE 0428.759.497", "be0428759497", "428759497")
    }
    assert len(made) == 1


def test_a_pharmacy_is_the_same_however_its_number_is_written() -> None:
    made = {
        party_pseudonym(KEY, "organisation", number)
        for number in ("80000551", "8000 0551", "80000551 ")
    }
    assert len(made) == 1


def test_kinds_never_share_a_pseudonym() -> None:
    professional = party_pseudonym(KEY, "professional", "10000106")
    assert professional != party_pseudonym(KEY, "organisation", "10000106")


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("citizen", "85000000139"),
        ("citizen", ""),
        ("professional", "10000107001"),
        ("professional", "1"),
    ],
)
def test_an_invalid_number_is_refused_and_not_repeated_bad(kind: PartyKind, number: str) -> None:
    with pytest.raises(ValidationError) as refused:
        party_pseudonym(KEY, kind, number)
    assert len(number) < 2 or number not in str(refused.value)
