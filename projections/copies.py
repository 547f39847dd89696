"""Stage outputs that a reader has passed already: a zombie's late copies, dropped and compared.

A stage writes its outputs in rising order of (source offset, ordinal), so whatever does not rise
was seen before. Copies come seconds after the original; digests of the latest outputs of each
partition are enough to tell a true copy from another outcome; they are Python's own, keyed anew in
each process. Source: DESIGN section 5.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, Literal

from projections.store import SourcePlace
from schemas.envelope import Envelope

KEPT: Final = 4096
"""Digests remembered per partition."""

Verdict = Literal["new", "copy_same", "copy_differs", "copy_unknown"]


@dataclass(slots=True)
class Copies:
    """What one partition has let through; `last` survives restarts, the digests do not."""

    last: SourcePlace | None = None
    _digests: OrderedDict[SourcePlace, int] = field(default_factory=OrderedDict)

    def judge(self, place: SourcePlace, key: bytes | None, value: bytes | None) -> Verdict:
        """Whether an output is new; a new one is remembered."""
        digest = hash((key, value))
        if self.last is None or place > self.last:
            self.last = place
            self._digests[place] = digest
            if len(self._digests) > KEPT:
                self._digests.popitem(last=False)
            return "new"
        known = self._digests.get(place)
        if known is None:
            return "copy_unknown"
        return "copy_same" if known == digest else "copy_differs"


def source_place(envelope: Envelope) -> SourcePlace | None:
    """Where the output comes from, if its envelope says so in plain decimal numbers."""
    offset = envelope.extensions.get("sourceoffset", "")
    ordinal = envelope.extensions.get("sourceordinal", "")
    both = offset + ordinal
    if not (offset and ordinal and both.isascii() and both.isdigit()):
        return None
    return SourcePlace(int(offset), int(ordinal))
