"""When the delivery took place, against the broker's clock: not ahead, not too old, not late."""

from datetime import timedelta
from typing import Final

from schemas import brussels
from streams.quality.rules.base import Context, Findings, MessageRule, delivered_at

_PATH: Final = "/delivered_at"


def moment(context: Context) -> Findings:
    """One of the three, or none."""
    delivered = delivered_at(context.body)
    if delivered is None:
        return ()
    policy, now = context.policy, context.appended_at
    if delivered > now + timedelta(seconds=policy.future_tolerance_seconds):
        return (("DELIVERY_IN_FUTURE", _PATH),)
    if delivered >= now - timedelta(days=policy.late_after_days):
        return ()
    if delivered < brussels.months_back(now, policy.retention_months):
        return (("DELIVERY_TOO_OLD", _PATH),)
    return (("LATE_ARRIVAL", _PATH),)


RULES: Final = (MessageRule(("DELIVERY_IN_FUTURE", "DELIVERY_TOO_OLD", "LATE_ARRIVAL"), moment),)
