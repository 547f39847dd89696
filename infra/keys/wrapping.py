"""Wrapping of secrets under the key-encryption key, each bound to the row it belongs to.

AES-256-GCM-SIV with a random nonce: even a repeated nonce would only tell that the same secret was
wrapped twice, so the number of wraps under one key is of no concern. The associated data names
table and identity, so that somebody who can write rows cannot hand one subject another's secret.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from infra.errors import InfrastructureError
from schemas.canonical import lp

SECRET_BYTES: Final = 32
_NONCE_BYTES: Final = 12


class SecretDamaged(InfrastructureError):
    """A row of the vault is not what this vault wrote there: altered, or moved from another row."""


def new_secret() -> bytes:
    """32 random bytes."""
    return secrets.token_bytes(SECRET_BYTES)


def new_period_id() -> str:
    """An opaque id for a day's secret: 96 random bits, which say nothing about the day."""
    return secrets.token_hex(12)


class Wrapper:
    """Wraps under one key-encryption key; unwraps under it and, while keys change, under others.

    Raises:
        ValueError: a key has not 32 bytes.
    """

    def __init__(self, kek: bytes, also: Sequence[bytes] = ()) -> None:
        keks = (kek, *also)
        for one in keks:
            if len(one) != SECRET_BYTES:
                raise ValueError(f"a key-encryption key has {SECRET_BYTES} bytes, not {len(one)}")
        self._ciphers = tuple(AESGCMSIV(one) for one in keks)
        self.fingerprints: Final = tuple(
            hmac.digest(one, lp("dpp-kek-fingerprint-v1"), hashlib.sha256) for one in keks
        )
        """Tell key-encryption keys apart, and nothing else about them; the first is the one that
        wraps."""

    def wrap(self, secret: bytes, table: str, *identity: str) -> bytes:
        """A nonce, the ciphertext and its tag, to be kept in the row named."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._ciphers[0].encrypt(nonce, secret, _bound(table, identity))

    def unwrap(self, wrapped: bytes, table: str, *identity: str) -> bytes:
        """The secret as it was wrapped for that row.

        Raises:
            SecretDamaged: it was not wrapped for that row under any of the keys.
        """
        nonce, ciphertext = wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:]
        bound = _bound(table, identity)
        for cipher in self._ciphers:
            with suppress(InvalidTag, ValueError):
                return cipher.decrypt(nonce, ciphertext, bound)
        raise SecretDamaged(
            f"A row of {table} in the key vault was altered or moved: restore the vault from its "
            "backup."
        )


def _bound(table: str, identity: tuple[str, ...]) -> bytes:
    return lp("dpp-vault-v1", table, *identity)
