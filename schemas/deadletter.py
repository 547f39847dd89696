"""Dead letters: bytes that belong to no known publisher or session, kept as received.

Key, value and headers are those of the submission; the headers below are added. Oversize content
is cut, since the submission itself stays as long as its dead letter does.
"""

from typing import Final, Literal

REASON: Final = "dpp_reason"
SOURCE: Final = "dpp_source"
"""`topic/partition/offset` of the submission."""
SOURCE_OFFSET: Final = "dpp_sourceoffset"
SOURCE_ORDINAL: Final = "dpp_sourceordinal"
CUT_FROM: Final = "dpp_cutfrom"
"""Size in bytes of the value, where only its beginning is kept."""
KEY_CUT_FROM: Final = "dpp_keycutfrom"
"""Size in bytes of the key, where only its beginning is kept."""
SHA256: Final = "dpp_sha256"
"""Hex digest of the whole value, where only its beginning is kept."""
HEADERS_DROPPED: Final = "dpp_headersdropped"
MAX_KEPT_BYTES: Final = 48 * 1024
MAX_KEPT_HEADER_BYTES: Final = 8 * 1024
MAX_KEPT_KEY_BYTES: Final = 8 * 1024

DeadLetterReason = Literal["no_key", "unknown_publisher", "unknown_session", "no_session"]
