"""Recalls of products: opened by an authority, acknowledged by pharmacies, closed by the authority.

A recall names a product and perhaps a batch, never a person. Source: DESIGN section 8, by which
recall notices go through the pharmacies.
"""

from typing import Annotated, Final

from pydantic import Field

from schemas.identifiers import Cbe, Cnk, PharmacyNumber
from schemas.model import Instant, Model, ShortText, Text

RECALL_OPENED: Final = "be.dpp.recall.opened.v1"
RECALL_ACKNOWLEDGED: Final = "be.dpp.recall.acknowledged.v1"
RECALL_CLOSED: Final = "be.dpp.recall.closed.v1"

RecallId = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{8,64}$")]


class _Act(Model):
    recall: RecallId
    at: Instant
    token_issuer: ShortText
    token_id: ShortText


class RecallOpened(_Act):
    """A product or a batch of it is recalled, if delivered in [delivered_from, delivered_until)."""

    authority: Cbe
    cnk: Cnk
    batch: ShortText | None = None
    delivered_from: Instant | None = None
    delivered_until: Instant | None = None
    reference: ShortText
    """The authority's own."""
    reason: Text


class RecallAcknowledged(_Act):
    """A pharmacy has seen its lines, of which there were so many then."""

    pharmacy: PharmacyNumber
    lines: Annotated[int, Field(ge=0)]


class RecallClosed(_Act):
    """The authority is done with it."""

    authority: Cbe


RecallEvent = RecallOpened | RecallAcknowledged | RecallClosed
RECALL_EVENTS: Final[dict[str, type[RecallEvent]]] = {
    RECALL_OPENED: RecallOpened,
    RECALL_ACKNOWLEDGED: RecallAcknowledged,
    RECALL_CLOSED: RecallClosed,
}
