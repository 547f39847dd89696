"""Moments in the contract are in UTC once read, and one that has no UTC form is refused."""

import json
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from schemas.publisher import Contract


def contract(moment: str) -> Contract:
    return Contract.read(json.dumps({"event_types": ["x"], "valid_from": moment}).encode())


def test_a_moment_is_in_utc_once_read() -> None:
    assert contract("2026-03-10T10:00:00+01:00").valid_from == datetime(2026, 3, 10, 9, tzinfo=UTC)


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-10:00", "0001-01-01T00:00:00+10:00"])
def test_a_moment_outside_the_calendar_in_utc_is_refused_bad(moment: str) -> None:
    with pytest.raises(ValidationError, match="years 1 to 9999"):
        contract(moment)
