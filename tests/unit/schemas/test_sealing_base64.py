"""Bytes in JSON have one form only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.sealing import SealBroken, b64decode, b64encode


@given(st.binary())
def test_bytes_come_back(data: bytes) -> None:
    text = b64encode(data)
    assert b64decode(text) == data
    assert not set(text) & set("+/=\n")


@given(st.text() | st.text("ABQgw048_-+/=", max_size=12))
def test_a_text_is_refused_or_is_the_one_form_of_its_bytes(text: str) -> None:
    try:
        data = b64decode(text)
    except SealBroken:
        return
    assert b64encode(data) == text


@pytest.mark.parametrize(
    "text",
    ["A", "AA==", "AAA=", "+/+/", "AB", "AAB", "A A", "AA\n", " AA", "é", "ÀÀÀÀ", "AA=A", "\ud800"],
)
def test_any_other_form_is_refused_and_not_repeated_bad(text: str) -> None:
    with pytest.raises(SealBroken) as refused:
        b64decode(text)
    assert f"'{text}'" not in str(refused.value)
