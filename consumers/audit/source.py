"""Where a log is read from: a folder, or its address over HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
import stamina

from streams.notary.directory import LogDirectory, LogUnavailable, Read

_ATTEMPTS: Final = 4


@contextmanager
def opened(place: str, token: str | None = None) -> Iterator[Read]:
    """Reads the files of the log at `place`; entry bundles need an auditor's token over HTTP.

    What it gives raises `LogUnavailable` for a file that is not there.
    """
    if not place.startswith(("http://", "https://")):
        yield LogDirectory(Path(place)).read
        return
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(headers=headers, timeout=30.0) as client:

        @stamina.retry(on=httpx.TransportError, attempts=_ATTEMPTS)
        def get(path: str) -> httpx.Response:
            return client.get(f"{place.rstrip('/')}/{path}")

        def read(path: str) -> bytes:
            try:
                answer = get(path)
            except httpx.TransportError as error:
                kind = type(error).__name__
                raise LogUnavailable(f"The log at {place} does not answer ({kind}).") from None
            if answer.status_code != httpx.codes.OK:
                raise LogUnavailable(
                    f"The log at {place} answers {answer.status_code} for {path}"
                    + (": give an auditor's token." if answer.status_code in (401, 403) else ".")
                )
            return answer.content

        yield read
