"""Paging cursors: sealed under the vault's `cursor` key, bound to one reader and one question.

A cursor pins the sort key of the last row and the data positions of the first page, so that pages
neither overlap nor shift while the log grows. Opened by anybody else it is nothing.
"""

import os
from dataclasses import dataclass
from typing import Annotated, Final, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import Field, ValidationError

from consumers.api.problems import Problem
from schemas.canonical import lp
from schemas.model import Instant, Model, ShortText
from schemas.sealing import SealBroken, b64decode, b64encode

_NONCE_BYTES: Final = 12
MarkT = TypeVar("MarkT", bound=Model)


class SortKey(Model):
    """Where the last row stood, in the order of the query."""

    at: Instant
    parts: tuple[ShortText, ...] = ()
    number: int = 0


class PageMark(Model):
    """What a cursor holds; `positions` are by partition of the topic that is read."""

    after: SortKey
    positions: dict[int, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    as_of: Instant


@dataclass(frozen=True, slots=True)
class CursorBook:
    """Seals and opens the cursors of one reader for one question."""

    key: bytes
    reader: str
    question: str

    def seal(self, mark: Model) -> str:
        """The text that stands for `mark`."""
        nonce = os.urandom(_NONCE_BYTES)
        return b64encode(nonce + AESGCM(self.key).encrypt(nonce, mark.write(), self._bound()))

    def open(self, cursor: str) -> PageMark:
        """What the cursor pins.

        Raises:
            Problem: 400, it is damaged or was given to another reader or for another question.
        """
        return self.open_as(PageMark, cursor)

    def open_as(self, kind: type[MarkT], cursor: str) -> MarkT:
        """What a cursor that seals another kind of mark holds.

        Raises:
            Problem: 400, as for `open`.
        """
        try:
            sealed = b64decode(cursor)
            nonce, content = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
            return kind.read(AESGCM(self.key).decrypt(nonce, content, self._bound()))
        except (SealBroken, InvalidTag, ValidationError, ValueError):
            raise Problem(400, "malformed-cursor") from None

    def _bound(self) -> bytes:
        return lp("dpp-cursor-v1", self.reader, self.question)
