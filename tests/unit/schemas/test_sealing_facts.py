"""Facts are sealed the same way every time, and open only under their own keys and attributes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.sealing import SealBroken, b64decode, b64encode
from schemas.sealing.facts import (
    AccessLabel,
    FactKeys,
    RecordSealer,
    access_associated_data,
    access_keys,
    blind_index,
    line_digest,
    message_digest,
    record_associated_data,
    record_keys,
    seal,
    unnamed_digest,
    unseal,
)

SUBJECT, PERIOD = bytes(range(32)), bytes(range(32, 64))
ATTRIBUTES: dict[str, Any] = {
    "type_": "be.dpp.dispensation.registered.v1",
    "pharmacy": "80000551",
    "dguid": "b7e1a5f0-0000-4000-8000-000000000001",
    "version": 1,
    "subject": "a" * 26,
    "generation": 1,
    "period": "0011",
}
ACCESS: dict[str, Any] = {
    "type_": "be.dpp.subject.consent-given.v1",
    "subject": "a" * 26,
    "generation": 1,
}
ID = "quality/0/1/0"
KEYS = record_keys(SUBJECT, PERIOD, 1)
BOUND = record_associated_data(**ATTRIBUTES)
CONTENT = b'{"cnk":"0000000"}'
SEALED = seal(KEYS, ID, BOUND, CONTENT)

secrets = st.binary(min_size=32, max_size=32)
names = st.text(st.characters(exclude_categories=["Cs"]))


def altered(value: object) -> object:
    return value + 1 if isinstance(value, int) else f"{value}x"


def test_a_fact_opens_as_it_was_sealed() -> None:
    assert unseal(KEYS, ID, BOUND, SEALED) == CONTENT


def test_sealing_a_fact_again_gives_the_same_bytes() -> None:
    assert seal(record_keys(SUBJECT, PERIOD, 1), "quality/0/1/0", BOUND, CONTENT) == SEALED


@given(names, st.binary(), st.lists(names, min_size=1))
def test_lines_that_share_a_sealer_are_sealed_as_each_by_itself(
    ce_id: str, content: bytes, dguids: list[str]
) -> None:
    shared = {name: value for name, value in ATTRIBUTES.items() if name != "dguid"}
    sealer = RecordSealer(KEYS, **shared)
    for dguid in dguids:
        bound = record_associated_data(**{**ATTRIBUTES, "dguid": dguid})
        sealed = seal(KEYS, ce_id, bound, content)
        assert sealer.seal(ce_id, dguid, content) == sealed
        assert sealer.unseal(ce_id, dguid, b64decode(sealed)) == content
        with pytest.raises(SealBroken):
            sealer.unseal(ce_id, f"{dguid}x", b64decode(sealed))
        with pytest.raises(SealBroken):
            sealer.unseal(f"{ce_id}x", dguid, b64decode(sealed))


@given(secrets, secrets, names, st.binary(), st.binary(min_size=1))
def test_any_content_comes_back_and_sealing_is_repeatable(
    subject: bytes, period: bytes, ce_id: str, bound: bytes, content: bytes
) -> None:
    keys = record_keys(subject, period, 3)
    sealed = seal(keys, ce_id, bound, content)
    assert seal(keys, ce_id, bound, content) == sealed
    assert unseal(keys, ce_id, bound, sealed) == content


def test_the_nonce_follows_the_id_of_the_fact() -> None:
    nonces = {b64decode(seal(KEYS, f"quality/0/1/{n}", BOUND, CONTENT))[:12] for n in range(50)}
    assert len(nonces) == 50


@pytest.mark.parametrize("name", sorted(ATTRIBUTES))
def test_an_altered_attribute_of_a_record_breaks_the_seal_bad(name: str) -> None:
    bound = record_associated_data(**{**ATTRIBUTES, name: altered(ATTRIBUTES[name])})
    with pytest.raises(SealBroken):
        unseal(KEYS, ID, bound, SEALED)


@pytest.mark.parametrize("name", sorted(ACCESS))
def test_an_altered_attribute_of_a_subject_fact_breaks_the_seal_bad(name: str) -> None:
    keys = access_keys(SUBJECT, "access")
    sealed = seal(keys, ID, access_associated_data(**ACCESS), CONTENT)
    with pytest.raises(SealBroken):
        unseal(keys, ID, access_associated_data(**{**ACCESS, name: altered(ACCESS[name])}), sealed)


@pytest.mark.parametrize(
    "keys",
    [
        record_keys(PERIOD, PERIOD, 1),
        record_keys(SUBJECT, SUBJECT, 1),
        record_keys(SUBJECT, PERIOD, 2),
        access_keys(SUBJECT, "access"),
        FactKeys(KEYS.nonce, KEYS.seal),
    ],
)
def test_other_keys_break_the_seal_bad(keys: FactKeys) -> None:
    with pytest.raises(SealBroken):
        unseal(keys, ID, BOUND, SEALED)


def test_a_seal_does_not_open_under_the_id_of_another_fact_bad() -> None:
    with pytest.raises(SealBroken, match="another fact"):
        unseal(KEYS, "quality/0/2/0", BOUND, SEALED)


@pytest.mark.parametrize("size", range(len(SEALED)))
def test_a_cut_text_breaks_the_seal_bad(size: int) -> None:
    with pytest.raises(SealBroken):
        unseal(KEYS, ID, BOUND, SEALED[:size])


@pytest.mark.parametrize("at", range(len(b64decode(SEALED))))
def test_an_altered_byte_breaks_the_seal_bad(at: int) -> None:
    data = bytearray(b64decode(SEALED))
    data[at] ^= 1
    with pytest.raises(SealBroken):
        unseal(KEYS, ID, BOUND, b64encode(bytes(data)))


@pytest.mark.parametrize("bad", ["", "A", "é", "!" * 60, SEALED + "=", SEALED + "\n", "+" + SEALED])
def test_a_text_that_is_not_base64url_breaks_the_seal_bad(bad: str) -> None:
    with pytest.raises(SealBroken) as refused:
        unseal(KEYS, ID, BOUND, bad)
    assert not bad or bad not in str(refused.value)


def test_every_purpose_has_keys_of_its_own() -> None:
    labels: tuple[AccessLabel, AccessLabel] = ("access", "reader")
    made = [record_keys(SUBJECT, PERIOD, version) for version in (1, 2, 11)]
    made += [access_keys(SUBJECT, label) for label in labels]
    assert len({key for keys in made for key in (keys.seal, keys.nonce)}) == 2 * len(made)


def test_keys_show_nothing_in_their_text() -> None:
    assert repr(KEYS) == "FactKeys()"


def test_a_line_digest_does_not_depend_on_the_order_of_members() -> None:
    line = {"cnk": "0000000", "units": 2, "compounds": [{"order": 1}, {"order": 2}]}
    backwards = dict(reversed(line.items()))
    assert json.dumps(line) != json.dumps(backwards)
    assert line_digest(SUBJECT, line) == line_digest(SUBJECT, backwards)


@pytest.mark.parametrize(
    "other",
    [
        {"cnk": "0000000", "units": 3},
        {"cnk": "0000000", "units": "2"},
        {"cnk": "0000000"},
        {"cnk": "0000000", "units": 2, "more": None},
    ],
)
def test_a_line_that_differs_has_another_digest_bad(other: object) -> None:
    line = {"cnk": "0000000", "units": 2}
    assert line_digest(SUBJECT, line) != line_digest(SUBJECT, other)


def test_digests_of_one_value_differ_by_purpose_and_by_secret() -> None:
    digests = {
        line_digest(SUBJECT, {}),
        line_digest(PERIOD, {}),
        message_digest(SUBJECT, b"{}"),
        message_digest(PERIOD, b"{}"),
        unnamed_digest(SUBJECT, b"{}"),
        unnamed_digest(PERIOD, b"{}"),
        blind_index(SUBJECT, "{}", ""),
        blind_index(SUBJECT, "", "{}"),
        blind_index(PERIOD, "", "{}"),
    }
    assert len(digests) == 9
