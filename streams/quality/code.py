"""What a code of quality control is; the tables are `codes_message` and `codes_line`."""

from dataclasses import dataclass

from schemas.receipts import FaultClass, Scope, Severity
from streams.quality.texts import TEXTS
from streams.texts import Texts


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of finding.

    `path` is a template of the JSON pointer: `{i}` is the index of a line, `{j}` of an ingredient.
    `scopes` lists where it may occur, the usual place first. `since` is the version of the quality
    policy with which it came: under an earlier one it is never found. The severity may be set by
    policy data where the code is `adjustable`.
    """

    code: str
    severity: Severity
    scopes: tuple[Scope, ...]
    path: str
    hint: str
    source: str
    fault_class: FaultClass = "FUNCTIONAL"
    adjustable: bool = False
    since: str = "quality/1"

    @property
    def texts(self) -> Texts:
        """What to tell a person, by language: fr, nl, de, en."""
        return TEXTS[self.code]
