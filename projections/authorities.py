"""What an authority may ask: pure, total, by mandates in policy data. Source: DESIGN section 8."""

from datetime import datetime

from schemas.policy import AccessPolicy, AuthorityPurpose


def may(
    authority: str | None, purpose: AuthorityPurpose, policy: AccessPolicy, now: datetime
) -> bool:
    """Whether the authority with this number has a mandate in force for the purpose."""
    return any(
        one.authority == authority
        and purpose in one.purposes
        and one.valid_from <= now
        and (one.valid_until is None or now < one.valid_until)
        for one in policy.authorities
    )
