"""The rules over a body: a table of small pure rules, each finding codes and where they lie.

Limits and severities are policy data; what is only doubtful warns, and lowers the score, but never
refuses. One module per concept: `patient`, `delivery`, `identity`, `product` (catalogue and
filter), `preparation`, `units`, `prescription`, `posology`, `pack`; `scores` for the quality score.
What needs earlier lines is decided in `streams.quality.lines`. Sources: domain reference, sections
4, 6, 7 and 10.
"""

from functools import cache
from typing import Final

from streams.quality.rules import (
    delivery,
    identity,
    pack,
    patient,
    posology,
    preparation,
    prescription,
    product,
    units,
)
from streams.quality.rules.base import (
    Context,
    Finding,
    Findings,
    FindInLine,
    FindInMessage,
    Known,
    LineRule,
    MessageRule,
    delivered_at,
    lines_of,
)
from streams.quality.rules.identity import repeated_lines
from streams.quality.rules.scores import BEST_SCORE, score

__all__ = [
    "BEST_SCORE",
    "LINE_RULES",
    "MESSAGE_RULES",
    "Context",
    "FindInLine",
    "FindInMessage",
    "Finding",
    "Findings",
    "Known",
    "LineRule",
    "MessageRule",
    "delivered_at",
    "line_rules",
    "lines_of",
    "message_rules",
    "repeated_lines",
    "score",
]

MESSAGE_RULES: Final = (*identity.MESSAGE_RULES, *patient.RULES, *delivery.RULES)
LINE_RULES: Final = (
    *identity.RULES,
    *product.RULES,
    *preparation.RULES,
    *units.RULES,
    *prescription.RULES,
    *posology.RULES,
    *pack.RULES,
)
"""Findings are reported in the order of these tables."""


@cache
def message_rules(codes: frozenset[str]) -> tuple[FindInMessage, ...]:
    """The rules about the message that may find one of these codes."""
    return tuple(rule.find for rule in MESSAGE_RULES if codes.intersection(rule.codes))


@cache
def line_rules(codes: frozenset[str]) -> tuple[FindInLine, ...]:
    """The rules about a line that may find one of these codes."""
    return tuple(rule.find for rule in LINE_RULES if codes.intersection(rule.codes))
