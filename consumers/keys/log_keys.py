"""The log's private keys on disk: the first file, and beside it those that follow.

`log.key` is followed by `log-2.key`, `log-3.key` and so on; the newest is always there, so a number
is never used twice. A file `log.retire` names the key that is to hand over to the one after it. The
notary looks at the folder before every checkpoint, so nothing has to be started again.
"""

import re
from pathlib import Path
from typing import Final

from infra import files
from schemas.sealing import SealBroken, b64decode, b64encode
from streams.intake.keys import KeyFileError, SigningKey
from streams.notary.handover import Held

_NUMBER: Final = re.compile(r"-([1-9][0-9]*)")


class LogKeyFiles:
    """The family of files that begins with `first`."""

    def __init__(self, first: Path) -> None:
        self._first = first
        self._loaded: dict[Path, SigningKey] = {}

    def load(self) -> list[SigningKey]:
        """Those that are there, oldest first.

        Raises:
            KeyFileError: one cannot be used.
        """
        there = self._paths()
        # A file's content never changes; one that is gone was retired.
        self._loaded = {path: self._loaded.get(path) or SigningKey.load(path) for path in there}
        return list(self._loaded.values())

    def held(self) -> Held:
        """The keys as the notary takes them."""
        return Held(tuple(key.private for key in self.load()), self._retiring())

    def make_first(self) -> SigningKey:
        """The newest key; the first one is made if there is none yet."""
        return self.load()[-1] if self._paths() else self._make(self._first, 1)

    def make_next(self) -> SigningKey:
        """Makes the key that follows; from now on it signs too."""
        number = max(map(self._number, self._paths())) + 1
        return self._make(self._named(number), number)

    def retire(self, key: SigningKey) -> None:
        """Asks the notary to let this key hand over to the one after it."""
        files.replace(self._request, b64encode(key.public_bytes).encode())
        files.sync_folder(self._first.parent)

    def destroy(self, public: bytes) -> bool:
        """Removes the private half of a key that has handed over, and the request for it."""
        self.load()
        gone = [path for path, key in self._loaded.items() if key.public_bytes == public]
        for path in gone:
            path.unlink()
        if self._retiring() == public:
            self._request.unlink()
        files.sync_folder(self._first.parent)
        return bool(gone)

    def _make(self, path: Path, number: int) -> SigningKey:
        """It appears whole, since the notary may look at any moment."""
        key = SigningKey.generate(f"log-{number}")
        beside = path.with_name(f".{path.name}.new")
        beside.unlink(missing_ok=True)
        key.save(beside)
        beside.rename(path)
        files.sync_folder(path.parent)
        return key

    def _paths(self) -> list[Path]:
        stem, suffix = self._first.stem, self._first.suffix
        found = [self._first, *self._first.parent.glob(f"{stem}-*{suffix}")]
        numbered = {self._number(path): path for path in found if path.exists()}
        return [path for number, path in sorted(numbered.items()) if number]

    def _number(self, path: Path) -> int:
        """Its place in the family, from 1; 0 for another file."""
        told = _NUMBER.fullmatch(path.stem.removeprefix(self._first.stem))
        return 1 if path == self._first else int(told[1]) if told else 0

    def _named(self, number: int) -> Path:
        return self._first.with_name(f"{self._first.stem}-{number}{self._first.suffix}")

    @property
    def _request(self) -> Path:
        return self._first.with_suffix(".retire")

    def _retiring(self) -> bytes | None:
        try:
            return b64decode(self._request.read_text())
        except FileNotFoundError:
            return None
        except (OSError, SealBroken):
            raise KeyFileError(
                f"{self._request} cannot be read: remove it, and ask again."
            ) from None
