"""A wrapped secret opens in its own row under its own key, and nowhere else."""

import pytest

from infra.keys.wrapping import SecretDamaged, Wrapper, new_period_id, new_secret

KEK = bytes(range(32))
ROW = ("subject_secret", "abc", "1")


def test_a_secret_comes_back_as_it_was() -> None:
    secret = new_secret()
    assert Wrapper(KEK).unwrap(Wrapper(KEK).wrap(secret, *ROW), *ROW) == secret


def test_wrapping_twice_gives_different_bytes_that_hide_the_secret() -> None:
    secret = new_secret()
    first, second = Wrapper(KEK).wrap(secret, *ROW), Wrapper(KEK).wrap(secret, *ROW)
    assert first != second
    assert secret not in first


@pytest.mark.parametrize(
    "row",
    [
        ("reader_secret", "abc", "1"),
        ("subject_secret", "abd", "1"),
        ("subject_secret", "abc", "2"),
        ("subject_secret", "ab", "c1"),
        ("subject_secret", "abc1"),
        ("subject_secret", "abc", "1", ""),
    ],
)
def test_a_secret_moved_to_another_row_does_not_open(row: tuple[str, ...]) -> None:
    wrapped = Wrapper(KEK).wrap(new_secret(), *ROW)
    with pytest.raises(SecretDamaged, match=row[0]):
        Wrapper(KEK).unwrap(wrapped, *row)


def test_altered_or_cut_bytes_do_not_open() -> None:
    wrapped = Wrapper(KEK).wrap(new_secret(), *ROW)
    altered = [wrapped[:at] + bytes([wrapped[at] ^ 1]) + wrapped[at + 1 :] for at in range(60)]
    for bad in (*altered, *(wrapped[:end] for end in range(60)), wrapped + b"\0"):
        with pytest.raises(SecretDamaged):
            Wrapper(KEK).unwrap(bad, *ROW)


def test_another_key_does_not_open_and_has_another_fingerprint() -> None:
    other = Wrapper(bytes(32))
    with pytest.raises(SecretDamaged):
        other.unwrap(Wrapper(KEK).wrap(new_secret(), *ROW), *ROW)
    assert other.fingerprints != Wrapper(KEK).fingerprints
    assert KEK not in Wrapper(KEK).fingerprints[0]


def test_while_keys_change_both_open_and_the_first_wraps() -> None:
    new, old = bytes(32), KEK
    secret = new_secret()
    both = Wrapper(new, [old])
    assert both.unwrap(Wrapper(old).wrap(secret, *ROW), *ROW) == secret
    assert Wrapper(new).unwrap(both.wrap(secret, *ROW), *ROW) == secret
    assert both.fingerprints == (*Wrapper(new).fingerprints, *Wrapper(old).fingerprints)


@pytest.mark.parametrize("size", [0, 16, 24, 31, 33])
def test_a_key_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Wrapper(bytes(size))


def test_period_ids_and_secrets_never_repeat() -> None:
    assert (
        len({new_period_id() for _ in range(100)} | {new_secret().hex() for _ in range(100)}) == 200
    )
