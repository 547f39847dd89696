"""A publisher's Ed25519 key: making it, keeping it in a 0600 file, asking for enrolment with it."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas.publisher import PublisherKey
from schemas.sealing import SealBroken, b64decode, b64encode
from schemas.sealing.office import enrolment_material

_PRIVATE_BYTES = 32


class KeyFileError(Exception):
    """A key file is missing, readable by others, or no key; the text says which and what to do."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An Ed25519 private key under the id by which its public half is enrolled."""

    key_id: str
    private: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def generate(cls, key_id: str) -> "SigningKey":
        """A new key from the system's randomness."""
        return cls(key_id, Ed25519PrivateKey.generate())

    @property
    def public_bytes(self) -> bytes:
        """The public half (32 bytes)."""
        return self.private.public_key().public_bytes_raw()

    def enrolment(self, publisher: str) -> PublisherKey:
        """What the office needs to enrol this key: the public half and proof of the private one."""
        material = enrolment_material(publisher, self.key_id, self.public_bytes)
        return PublisherKey(
            key_id=self.key_id,
            public_key=b64encode(self.public_bytes),
            proof=b64encode(self.private.sign(material)),
        )

    def save(self, path: Path) -> None:
        """Writes `key id, newline, base64url` to a new file that only its owner may read.

        Raises:
            KeyFileError: the file exists already, or cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        text = f"{self.key_id}\n{b64encode(self.private.private_bytes_raw())}\n"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise KeyFileError(
                f"The key file {path} cannot be made ({error.strerror}): choose another place."
            ) from None
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    @classmethod
    def load(cls, path: Path) -> "SigningKey":
        """Reads what `save` wrote.

        Raises:
            KeyFileError: missing, readable by others, or not a key.
        """
        try:
            mode, text = path.stat().st_mode, path.read_text()
        except OSError as error:
            raise KeyFileError(f"The key file {path} cannot be read: {error.strerror}.") from None
        if mode & 0o077:
            raise KeyFileError(f"The key file {path} is open to others: run chmod 600 on it.")
        key_id, _, encoded = text.strip().partition("\n")
        try:
            raw = b64decode(encoded)
        except SealBroken:
            raw = b""
        if len(raw) != _PRIVATE_BYTES:
            raise KeyFileError(f"The file {path} is not a publisher key: make one with dpp keygen.")
        return cls(key_id, Ed25519PrivateKey.from_private_bytes(raw))
