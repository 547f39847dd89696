"""Reads a log's files over HTTP as C2SP tlog-tiles serves them, or from a folder.

Checkpoint and tiles are public; entries need a token with the auditor role, and each reading of
them is recorded there.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx

from infra.settings import Settings
from streams.notary.directory import LogDirectory, LogFileMissing, LogUnavailable, Read
from streams.notary.tiles import MAX_ENTRY_BYTES, WIDTH

MAX_FILE_BYTES: Final = WIDTH * (2 + MAX_ENTRY_BYTES)
"""The largest that a file of a log can be: a bundle of the largest entries."""
_ENTRIES: Final = "tile/entries/"
_PAUSES: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_LONGEST_PAUSE: Final = 60.0
_AGAIN: Final = (429, 500, 502, 503, 504)


class HttpLog:
    """The log below a URL; close it at the end."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        transport: httpx.BaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = url.rstrip("/") + "/"
        self._token = token
        self._pause = pause
        self._client = httpx.Client(timeout=30.0, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def read(self, path: str) -> bytes:
        """A file by its path below the log's prefix; what passes by itself is tried again.

        Raises:
            LogFileMissing: the log has no such file.
            LogUnavailable: it does not answer, or does not let this reader in.
        """
        for pause in (*_PAUSES, None):
            try:
                status, data, told = self._get(path)
            except httpx.HTTPError as error:
                if pause is None:
                    raise LogUnavailable(
                        f"The log at {self._url} does not answer ({type(error).__name__})."
                    ) from error
                self._pause(pause)
                continue
            if status == httpx.codes.OK:
                return data
            if status not in _AGAIN or pause is None:
                break
            self._pause(max(pause, told))
        raise self._refused(path, status)

    def _get(self, path: str) -> tuple[int, bytes, float]:
        """Status, body and how many seconds the log asks to wait."""
        headers = {}
        if self._token is not None and path.startswith(_ENTRIES):
            headers["Authorization"] = f"Bearer {self._token}"
        with self._client.stream("GET", self._url + path, headers=headers) as answer:
            told = answer.headers.get("retry-after", "")
            wait = min(float(told), _LONGEST_PAUSE) if told.isascii() and told.isdigit() else 0.0
            if answer.status_code != httpx.codes.OK:
                return answer.status_code, b"", wait
            data = bytearray()
            for chunk in answer.iter_bytes():
                data += chunk
                if len(data) > MAX_FILE_BYTES:
                    raise LogUnavailable(f"{self._url}{path} is larger than any file of a log.")
            return answer.status_code, bytes(data), wait

    def _refused(self, path: str, status: int) -> LogUnavailable:
        if status == httpx.codes.NOT_FOUND:
            return LogFileMissing(f"The log at {self._url} has no file {path}.")
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            return LogUnavailable(
                f"The log at {self._url} gives entries to auditors only: put a token with that "
                "role into DPP_AUDIT_TOKEN."
            )
        return LogUnavailable(f"The log at {self._url} answered {status} for {path}.")


def is_url(place: str) -> bool:
    """Whether a place is an address, not a folder."""
    return place.startswith(("http://", "https://"))


def opened(place: str, settings: Settings, stack: ExitStack) -> Read:
    """What reads the log at an address or in a folder, until the stack closes.

    Raises:
        LogUnavailable: there is no such folder.
    """
    if is_url(place):
        token = settings.audit_token
        secret = None if token is None else token.get_secret_value()
        return stack.enter_context(HttpLog(place, secret)).read
    if not Path(place).is_dir():
        raise LogUnavailable(f"There is no folder {place}: name the log's folder or its URL.")
    return LogDirectory(Path(place)).read
