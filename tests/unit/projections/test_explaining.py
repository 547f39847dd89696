"""Who is told that their profession has no access: those for whom no patient would differ."""

import pytest

from projections.access import Reader
from projections.explaining import is_barred
from schemas.policy import AccessPolicy, baseline

ME, THERE = "a" * 26, "b" * 26


@pytest.mark.parametrize(
    ("reader", "barred"),
    [
        (Reader("caregiver", ME, None, "physician"), False),
        (Reader("caregiver", ME, None, "astrologer"), True),
        (Reader("caregiver", ME, None, None), True),
        (Reader("pharmacist", ME, THERE, "pharmacist"), False),
        (Reader("pharmacist", ME, THERE, "physician"), True),
        (Reader("patient", ME), False),
        (Reader("pharmacy", THERE, THERE), False),
    ],
)
def test_a_profession_is_barred_by_policy_alone(reader: Reader, barred: bool) -> None:
    policy = baseline("access").data
    assert isinstance(policy, AccessPolicy)
    assert is_barred(reader, policy) is barred
