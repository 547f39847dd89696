"""A log is read the same from its folder and over HTTP; what passes by itself is tried again."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from consumers.audit.remote import MAX_FILE_BYTES, HttpLog, opened
from consumers.audit.verify import Memory, verify
from infra.settings import load_settings
from streams.notary.directory import LogDirectory, LogFileMissing, LogUnavailable
from tests.support.audit_log import LOG, entry, grow

URL = "https://log.test/somewhere"
TOKEN = "the-token"
Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("log")
    grow(made, [entry(number) for number in range(300)])
    return made


def serving(folder: Path) -> Answer:
    """A log server: entries need the token, nothing else is given it."""

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/somewhere/")
        given = request.headers.get("authorization")
        if given != (f"Bearer {TOKEN}" if path.startswith("tile/entries/") else None):
            return httpx.Response(401)
        file = folder / path
        return (
            httpx.Response(200, content=file.read_bytes()) if file.exists() else httpx.Response(404)
        )

    return answer


def http(answer: Answer, token: str | None = TOKEN, pauses: list[float] | None = None) -> HttpLog:
    waited = pauses if pauses is not None else []
    return HttpLog(URL, token, transport=httpx.MockTransport(answer), pause=waited.append)


def test_a_log_over_http_is_verified_like_its_folder(folder: Path) -> None:
    with http(serving(folder)) as log:
        assert verify(log.read, LOG, Memory()).holds
        for path in ("checkpoint", "tile/0/000", "tile/entries/001.p/44"):
            assert log.read(path) == LogDirectory(folder).read(path)


def test_a_file_that_is_not_there_is_missing_in_both_bad(folder: Path) -> None:
    with http(serving(folder)) as log:
        for read in (log.read, LogDirectory(folder).read):
            with pytest.raises(LogFileMissing, match="has no file tile/0/007"):
                read("tile/0/007")


@pytest.mark.parametrize("status", [401, 403])
def test_a_reader_who_is_not_let_in_is_told_what_to_do_bad(status: int) -> None:
    with (
        http(lambda _: httpx.Response(status)) as log,
        pytest.raises(LogUnavailable, match="DPP_AUDIT_TOKEN") as refused,
    ):
        log.read("tile/entries/000")
    assert TOKEN not in str(refused.value)


def test_what_passes_by_itself_is_tried_again_after_the_time_that_is_asked_for(
    folder: Path,
) -> None:
    troubles = [httpx.Response(503, headers={"Retry-After": "7"}), httpx.Response(429)]
    pauses: list[float] = []

    def answer(request: httpx.Request) -> httpx.Response:
        return troubles.pop(0) if troubles else serving(folder)(request)

    with http(answer, pauses=pauses) as log:
        assert log.read("checkpoint") == LogDirectory(folder).read("checkpoint")
    assert pauses == [7.0, 0.5]


def test_a_connection_that_breaks_is_tried_again(folder: Path) -> None:
    broken = [True, True]

    def answer(request: httpx.Request) -> httpx.Response:
        if broken:
            broken.pop()
            raise httpx.ConnectError("no")
        return serving(folder)(request)

    with http(answer) as log:
        assert log.read("tile/1/000.p/1")


@pytest.mark.parametrize("status", [503, 500])
def test_a_log_that_stays_away_is_unavailable_and_not_wrong_bad(status: int) -> None:
    with (
        http(lambda _: httpx.Response(status)) as log,
        pytest.raises(LogUnavailable, match=str(status)),
    ):
        verify(log.read, LOG, Memory())


def test_nobody_is_sent_elsewhere_bad() -> None:
    with (
        http(lambda _: httpx.Response(302, headers={"Location": "https://x.test/"})) as log,
        pytest.raises(LogUnavailable, match="302"),
    ):
        log.read("checkpoint")


def test_a_file_without_end_is_cut_off_bad() -> None:
    big = bytes(MAX_FILE_BYTES + 1)
    with (
        http(lambda _: httpx.Response(200, content=big)) as log,
        pytest.raises(LogUnavailable, match="larger than any file"),
    ):
        log.read("tile/0/000")


def test_a_place_is_a_folder_or_an_address(folder: Path, tmp_path: Path) -> None:
    settings = load_settings()
    with ExitStack() as stack:
        assert opened(str(folder), settings, stack)("checkpoint")
        assert opened("http://127.0.0.1:1/log", settings, stack) is not None
        with pytest.raises(LogUnavailable, match="no folder"):
            opened(str(tmp_path / "nowhere"), settings, stack)
