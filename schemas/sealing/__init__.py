"""Cryptographic forms of the contract: deterministic functions over bytes and keys.

Randomness (session keys, nonces of submissions) is drawn by shells and passed in. Known-answer
vectors for every step are in `docs/vendors/vectors/`. Source: DESIGN sections 4.1 to 4.3.
"""

import binascii
from typing import Final

_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_LAST: Final = {1: "", 2: "AQgw", 3: "AEIMQUYcgkosw048"}
"""What the last letter may be where so many stand for the last bytes: it has no stray bits."""


class SealBroken(Exception):
    """Bytes do not open under the key and attributes given: altered, moved, or another's."""


def b64encode(data: bytes) -> str:
    """base64url without padding, the one form of bytes in JSON."""
    written = binascii.b2a_base64(data, newline=False)
    return written.translate(_TO_URL).rstrip(b"=").decode()


def b64decode(text: str) -> bytes:
    """The bytes of an unpadded base64url text, which is the only text that stands for them.

    Raises:
        SealBroken: the text is not what `b64encode` writes.
    """
    try:
        written = text.encode("ascii").translate(_STANDARD) + b"=" * (-len(text) % 4)
        data = binascii.a2b_base64(written, strict_mode=True)
    except (binascii.Error, ValueError):
        raise SealBroken("a base64url member cannot be decoded") from None
    # The decoder lets padding, the other alphabet and stray last bits pass.
    rest = len(text) % 4
    stray = rest > 0 and text[-1] not in _LAST[rest]
    if stray or "=" in text or "+" in text or "/" in text:
        raise SealBroken("a base64url member is not in its one form")
    return data
