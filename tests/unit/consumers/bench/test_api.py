"""What `dpp bench api` needs no server for: requests as they go over the wire, and quantiles."""

import asyncio
from contextlib import suppress

import pytest

from consumers.bench.api import steps
from consumers.bench.api.load import (
    Answers,
    Load,
    Reader,
    Unanswered,
    answer,
    read_elsewhere,
    read_for,
)
from consumers.bench.api.steps import Histogram

PAGE = """
# TYPE dpp_api_read_step_seconds histogram
dpp_api_read_step_seconds_bucket{step="audit",le="0.01"} 50.0
dpp_api_read_step_seconds_bucket{step="audit",le="0.02"} 100.0
dpp_api_read_step_seconds_bucket{step="audit",le="+Inf"} 100.0
dpp_api_read_step_seconds_count{step="audit"} 100.0
dpp_api_read_step_seconds_sum{step="audit"} 1.0
"""


def test_quantiles_lie_inside_their_bucket() -> None:
    audit = steps.parse(PAGE)["audit"]
    assert audit.quantile(0.25) == pytest.approx(5.0)
    assert audit.quantile(0.75) == pytest.approx(15.0)
    assert audit.quantile(1.0) == pytest.approx(20.0)


def test_what_was_before_does_not_count() -> None:
    audit = steps.parse(PAGE)["audit"]
    earlier = Histogram(((0.01, 50.0), (0.02, 50.0), (float("inf"), 50.0)))
    assert audit.since(earlier).quantile(0.5) == pytest.approx(15.0)
    assert audit.since(None) == audit


def test_beyond_the_last_bound_stands_the_last_bound() -> None:
    assert Histogram(((0.01, 0.0), (float("inf"), 4.0))).quantile(0.5) == pytest.approx(10.0)


def test_rates_and_quantiles_of_answers() -> None:
    answers = Answers(seconds=[n / 1000 for n in range(1, 101)], took=2.0)
    assert answers.rate == pytest.approx(50.0)
    assert answers.quantile(0.5) == pytest.approx(51.0)
    assert answers.quantile(0.99) == pytest.approx(100.0)


def _stream(content: bytes) -> asyncio.StreamReader:
    source = asyncio.StreamReader()
    source.feed_data(content)
    source.feed_eof()
    return source


async def test_an_answer_is_read_by_its_length() -> None:
    given = b"HTTP/1.1 200 OK\r\ncontent-type: a\r\nContent-Length: 3\r\n\r\nabcHTTP"
    head = given.partition(b"abc")[0]
    assert await answer(_stream(given)) == (200, head, b"abc")


@pytest.mark.parametrize(
    "given", [b"", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"]
)
async def test_an_answer_that_breaks_off_is_an_error_bad(given: bytes) -> None:
    with pytest.raises(Unanswered):
        await answer(_stream(given))


@pytest.mark.parametrize("status", [200, 403])
async def test_readers_keep_their_connection_and_a_refusal_ends_the_measurement(
    status: int,
) -> None:
    connections = 0

    async def serve(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        try:
            while head := await source.readuntil(b"\r\n\r\n"):
                assert b"Authorization: Bearer t" in head
                await source.readexactly(int(head.rpartition(b": ")[2]))
                sink.write(b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\n{}" % status)
        except asyncio.IncompleteReadError:
            sink.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        load = _load(server, seconds=0.05 if status == 200 else 5)
        if status == 200:
            answers = await read_for(load)
            assert connections == 2
            assert len(answers.seconds) > 2
        else:
            with pytest.raises(Unanswered, match="403"):
                await read_for(load)


def _load(server: asyncio.Server, *, seconds: float, per_second: float | None = None) -> Load:
    readers = (Reader(token="t1", patients=("p",)), Reader(token="t2", patients=("p",)))
    port = server.sockets[0].getsockname()[1]
    return Load(
        host="127.0.0.1", port=port, readers=readers, seconds=seconds, per_second=per_second
    )


async def test_a_read_that_is_due_counts_from_then_even_if_it_could_not_be_asked() -> None:
    over = asyncio.Event()

    async def serve(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Answers when all of the time is over."""
        with suppress(asyncio.IncompleteReadError):
            await source.readuntil(b"\r\n\r\n")
            await over.wait()
            sink.write(b"HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\n{}")
        sink.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        asyncio.get_running_loop().call_later(0.5, over.set)
        answers = await read_for(_load(server, seconds=0.42, per_second=20))
    # Due in turn, every 50 milliseconds, and the first one waits to the end at least.
    assert len(answers.seconds) + len(answers.unasked) == 9
    assert answers.quantile(1.0) >= 420


async def test_readers_in_a_process_of_their_own_tell_what_they_met() -> None:
    async def serve(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while head := await source.readuntil(b"\r\n\r\n"):
                await source.readexactly(int(head.rpartition(b": ")[2]))
                sink.write(b"HTTP/1.1 403 X\r\nContent-Length: 2\r\n\r\n{}")
        sink.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        with pytest.raises(Unanswered, match="403"):
            await read_elsewhere(_load(server, seconds=5))
