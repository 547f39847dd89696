"""Log lines carry no identifier of a person and no secret."""

import pytest

from infra.observability.redaction import MASK, clean, redact

NISS = "85000000105"


@pytest.mark.parametrize(
    "text",
    [
        NISS,
        f"patient {NISS} refused",
        "85.00.00-001.05",
        "85 00 00 001 05",
        f"{{'niss': '{NISS}'}}",
    ],
)
def test_a_national_number_is_masked_wherever_it_stands_in_a_text(text: str) -> None:
    cleaned = clean(text)

    assert isinstance(cleaned, str)
    assert MASK in cleaned
    assert "00105" not in cleaned.replace(" ", "")


@pytest.mark.parametrize(
    "text",
    [
        "quality/3/120/0",
        "5521950",
        "offset 1234567",
        "0e3a4b5c-1111-2222-3333-123456789012",
        "2026-11-23T10:00:00Z",
    ],
)
def test_places_codes_and_times_are_left_alone(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    "name", ["niss", "patient_niss", "session_secret", "Authorization", "body"]
)
def test_a_forbidden_name_hides_its_value(name: str) -> None:
    assert redact(None, "info", {name: "x", "event": "e"}) == {name: MASK, "event": "e"}


def test_nested_values_are_cleaned_and_bytes_are_only_counted() -> None:
    event: dict[str, object] = {"event": "e", "detail": {"items": [NISS, b"abc"], "token": "t"}}

    assert redact(None, "info", event) == {
        "event": "e",
        "detail": {"items": [MASK, "[3 bytes]"], "token": MASK},
    }


def test_a_password_in_a_connection_string_and_a_token_are_masked() -> None:
    assert "hunter2" not in str(clean("postgresql://dpp:hunter2@127.0.0.1/dpp"))
    assert "eyJ" not in str(clean("Bearer eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ4In0.abc"))
