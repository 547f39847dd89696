"""The quality score of a line: how far its values can be relied on, 0 to 100."""

from collections.abc import Collection
from typing import Final

from schemas.policy import QualityPolicy

BEST_SCORE: Final = 100


def score(warnings: Collection[str], policy: QualityPolicy) -> int:
    """100 less the penalty of each distinct warning, at least 0; so no warning ever raises it."""
    if not warnings:
        return BEST_SCORE
    penalties = (policy.penalties.get(code, policy.default_penalty) for code in set(warnings))
    return max(0, BEST_SCORE - sum(penalties))
