"""The key-encryption key: 32 random bytes, written base64url, in a 0600 file or the environment.

Whoever has this key and the vault's rows can read every sealed record that was not destroyed, so a
file that others may open is refused instead of used. Source: DESIGN section 4.4.
"""

import os
import secrets
import stat
from pathlib import Path
from typing import Final

from infra.errors import InfrastructureError
from infra.settings import Settings
from schemas.sealing import SealBroken, b64decode, b64encode

KEK_BYTES: Final = 32
_OWNER_ONLY: Final = 0o600
_OTHERS: Final = 0o077
_MAX_TEXT: Final = 256


class KekError(InfrastructureError):
    """The key-encryption key is missing, malformed, or open to others."""


def load_kek(settings: Settings) -> bytes:
    """The key-encryption key that `DPP_KEK` holds or `DPP_KEK_FILE` names (32 bytes).

    Raises:
        KekError: neither is set, the file is missing or open to others, or it is no such key.
    """
    if settings.kek is not None:
        return _decode(settings.kek.get_secret_value(), "DPP_KEK")
    if settings.kek_file is not None:
        return _decode(_read(settings.kek_file), f"The file {settings.kek_file}")
    raise KekError(
        "No key-encryption key was given: name its file in DPP_KEK_FILE, or set DPP_KEK."
    )


def load_other_keks(settings: Settings) -> tuple[bytes, ...]:
    """The key in the file that `DPP_KEK_ALSO_FILE` names, while keys change; else nothing.

    Raises:
        KekError: the file is missing or open to others, or it holds no such key.
    """
    path = settings.kek_also_file
    return () if path is None else (_decode(_read(path), f"The file {path}"),)


def create_kek_file(path: Path) -> None:
    """Writes a new key to `path`, readable by its owner only.

    Raises:
        KekError: there is such a file already, or it cannot be written.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    except FileExistsError:
        raise KekError(
            f"The file {path} exists already: another key would make the vault unreadable, so it "
            "is left as it is."
        ) from None
    except OSError as error:
        raise KekError(f"The file {path} cannot be made: {error.strerror}.") from None
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(b64encode(secrets.token_bytes(KEK_BYTES)) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            # Asked of the open file, so that nobody can swap it in between.
            mode = os.fstat(file.fileno()).st_mode
            if mode & _OTHERS:
                raise KekError(
                    f"The file {path} is open to others (mode {stat.S_IMODE(mode):04o}): make it "
                    "0600, and think of the key as known if others could have read it."
                )
            return file.read(_MAX_TEXT).decode("ascii", "replace")
    except OSError as error:
        raise KekError(f"The file {path} cannot be read: {error.strerror}.") from None


def _decode(text: str, place: str) -> bytes:
    try:
        key = b64decode(text.strip())
    except SealBroken:
        key = b""
    if len(key) != KEK_BYTES:
        raise KekError(f"{place} holds no key: {KEK_BYTES} bytes in unpadded base64url are needed.")
    return key
