"""How a publisher reaches the backbone: the port, what passes through it, and its errors.

`http_transport` goes through the API alone, `kafka_transport` puts records straight on the topics.
Both carry the same sealed bytes, so software may change from one to the other at any time.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from pydantic import ValidationError

from schemas.model import Model
from schemas.publisher import BackboneKeyPublished
from schemas.receipts import GapClosed, GapNoticed, Receipt
from streams.intake.session import WireRecord

Answer = Receipt | GapNoticed | GapClosed
"""What the backbone tells a publisher: the outcome of a submission, or about missing numbers."""
_ANSWERS: Final[dict[str, type[Answer]]] = {
    "receipt": Receipt,
    "gap_noticed": GapNoticed,
    "gap_closed": GapClosed,
}


class TransportUnavailable(Exception):
    """The backbone does not answer now, or not so that it can be understood: try again later.

    Whether a record that was being sent arrived is not known.
    """


class TransportRefused(Exception):
    """The backbone refuses the request, and will until somebody acts; the text says what to do.

    `code` is stable: that of the API's problem document, or a kind of Kafka error.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Place(NamedTuple):
    """Where a record stands in its topic; the receipt names the same partition and offset."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Letter:
    """One receipt or notice; `answer` is None for a kind that this software does not know yet."""

    cursor: str
    answer: Answer | None


@dataclass(frozen=True, slots=True)
class Page:
    """Letters, oldest first; with `more` there are others behind the last of them."""

    letters: tuple[Letter, ...]
    more: bool


class Transport(Protocol):
    """What a publisher needs from the backbone.

    Every call raises `TransportUnavailable` or `TransportRefused`.
    """

    async def intake_key(self) -> BackboneKeyPublished:
        """The newest intake key that carries the office's signature."""
        ...

    async def open_session(self, record: WireRecord) -> Place:
        """Makes a session known, durably."""
        ...

    async def submit(self, record: WireRecord) -> Place:
        """Appends a sealed submission, durably."""
        ...

    async def receipts(self, after: str | None) -> Page:
        """Letters behind a cursor; None is the beginning."""
        ...

    def follow(self, after: str | None) -> AsyncGenerator[Letter, None]:
        """The same as they arrive; ends from time to time, to be called again."""
        ...

    async def close(self) -> None:
        """Gives up connections."""
        ...


def read_letter(kind: str, cursor: str, body: bytes) -> Letter:
    """The letter of that kind.

    Raises:
        TransportUnavailable: the body is not what the kind promises.
    """
    model: type[Model] | None = _ANSWERS.get(kind)
    if model is None:
        return Letter(cursor, None)
    try:
        answer = model.read(body)
    except ValidationError:
        raise TransportUnavailable(
            f"The letter {cursor} of the API cannot be understood: update this software."
        ) from None
    return Letter(cursor, answer if isinstance(answer, Receipt | GapNoticed | GapClosed) else None)
