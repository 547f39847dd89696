"""Submissions: AES-256-GCM under the session key, bound to their key and exact attributes.

The additional data is the record key, the content type and every `ce_*` name and value sorted by
name, each length-prefixed. So a submission cannot be moved, renamed or re-sequenced.
"""

from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schemas.canonical import lp
from schemas.envelope import Headers
from schemas.sealing import SealBroken

NONCE_BYTES = 12
_TAG_BYTES = 16


def associated_data(key: bytes, headers: Headers) -> bytes:
    """What the seal binds besides the content."""
    # Code points sort as their bytes in UTF-8 do.
    attributes = sorted([one for one in headers if one[0].startswith("ce_")])
    content_type = sorted([value for name, value in headers if name == "content-type"])
    bound = [_part(name) + lp(value) for name, value in attributes]
    return b"".join([lp(key, *content_type), *bound])


@lru_cache(maxsize=256)
def _part(name: str) -> bytes:
    """An attribute's name as it is bound; the same dozen comes with every submission."""
    return lp(name)


def seal(session_key: bytes, nonce: bytes, key: bytes, headers: Headers, body: bytes) -> bytes:
    """The sealed value: nonce || ciphertext || tag; `nonce` is 12 fresh random bytes."""
    return nonce + AESGCM(session_key).encrypt(nonce, body, associated_data(key, headers))


def unseal(session_key: bytes, key: bytes, headers: Headers, sealed: bytes) -> bytes:
    """The body as the publisher wrote it.

    Raises:
        SealBroken: altered, cut, moved, or sealed under another session key.
    """
    if len(sealed) < NONCE_BYTES + _TAG_BYTES:
        raise SealBroken("the sealed value is shorter than a nonce and a tag")
    nonce, ciphertext = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    try:
        return AESGCM(session_key).decrypt(nonce, ciphertext, associated_data(key, headers))
    except InvalidTag:
        raise SealBroken("the sealed value does not open under its session") from None
