"""Published intake keys as the office signed them, so that publishers can verify them too."""

from collections.abc import Sequence
from typing import Final

from pydantic import ValidationError

from consumers.api.ports import Header, SignedKey
from schemas.envelope import EnvelopeFault, parse
from schemas.publisher import (
    BACKBONE,
    BACKBONE_KEY_PUBLISHED,
    BACKBONE_KEY_RETIRED,
    BackboneKeyPublished,
    BackboneKeyRetired,
)
from schemas.sealing import SealBroken
from schemas.sealing.office import verify

_PURPOSE: Final = "intake"


class IntakeKeyBook:
    """A fold of `dpp.publisher.registered`: intake keys published and not retired, newest last."""

    def __init__(self, office_public_key: bytes) -> None:
        self._office = office_public_key
        self._keys: dict[str, SignedKey] = {}
        self._retired: set[str] = set()

    def keys(self) -> tuple[SignedKey, ...]:
        """The records as they stand in the log."""
        return tuple(self._keys.values())

    def put(self, key: bytes | None, headers: Sequence[Header], value: bytes | None) -> None:
        """Takes a record; what the office has not signed is passed over."""
        envelope = parse(headers)
        if key != BACKBONE.encode() or isinstance(envelope, EnvelopeFault) or value is None:
            return
        try:
            verify(self._office, key, headers, value)
            self._take(envelope.type, SignedKey(key, tuple(headers), value))
        except (SealBroken, ValidationError):
            return

    def _take(self, type_: str, record: SignedKey) -> None:
        if type_ == BACKBONE_KEY_PUBLISHED:
            published = BackboneKeyPublished.read(record.value)
            if published.purpose == _PURPOSE and published.key_id not in self._retired:
                self._keys.setdefault(published.key_id, record)
        elif type_ == BACKBONE_KEY_RETIRED:
            retired = BackboneKeyRetired.read(record.value)
            if retired.purpose == _PURPOSE:
                self._retired.add(retired.key_id)
                self._keys.pop(retired.key_id, None)
