"""Requests as they stand on the wire, against a real socket: what is served, and what is refused.

A refusal is a 400 and the end of the connection, and the application hears nothing of it.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from infra.http1 import MAX_HEAD_BYTES, StrictProtocol

POST = b"POST /v1/me/history HTTP/1.1\r\n"
HOST = b"Host: api\r\n"
HEAD = POST + HOST
TWO = b"Content-Length: 2\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
BODY = b"\r\nhi"
CHUNKS = b"\r\n2\r\nhi\r\n0\r\n\r\n"
CLOSE = b"Connection: close\r\n"


@dataclass
class Heard:
    """Requests that reached the application: path, body, names of the headers."""

    requests: list[tuple[str, bytes]] = field(default_factory=list)
    headers: list[list[bytes]] = field(default_factory=list)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            if not message["more_body"]:
                break
        self.requests.append((scope["path"], body))
        self.headers.append([name for name, _ in scope["headers"]])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@dataclass
class Served:
    port: int
    heard: Heard

    async def say(self, *pieces: bytes) -> Sequence[int]:
        """The statuses of all that is answered until the connection ends."""
        source, sink = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for piece in pieces:
                sink.write(piece)
                await sink.drain()
            said = await source.read()
        except ConnectionError:
            # The server ended the connection while more was being written.
            said = b"HTTP/1.1 400 "
        finally:
            sink.close()
        return [int(one[:3]) for one in said.split(b"HTTP/1.1 ")[1:]]


@asynccontextmanager
async def served() -> AsyncIterator[Served]:
    """An application behind the protocol, on a port of its own."""
    heard, state = Heard(), ServerState()
    config = uvicorn.Config(
        heard.app,
        interface="asgi3",
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        proxy_headers=False,
    )
    config.load()
    server = await asyncio.get_running_loop().create_server(
        lambda: StrictProtocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    async with server:
        yield Served(server.sockets[0].getsockname()[1], heard)
        await asyncio.gather(*state.tasks)


SERVED = {
    "a length": HEAD + TWO + CLOSE + BODY,
    "chunks": HEAD + CHUNKED + CLOSE + CHUNKS,
    "a chunk with an extension": HEAD + CHUNKED + CLOSE + b"\r\n2;a=b\r\nhi\r\n0\r\n\r\n",
    "an empty field before the length": HEAD + b"X-Empty:\r\n" + TWO + CLOSE + BODY,
    "the version before, which needs no host": b"POST /v1/me/history HTTP/1.0\r\n" + TWO + BODY,
    "an offer of another protocol": HEAD
    + b"Upgrade: h2c\r\nConnection: Upgrade, close\r\n"
    + TWO
    + BODY,
    "the same in chunks": HEAD
    + b"Upgrade: h2c\r\nConnection: Upgrade, close\r\n"
    + CHUNKED
    + CHUNKS,
    "a trailer": HEAD + CHUNKED + CLOSE + b"\r\n2\r\nhi\r\n0\r\nClient-Cert: :AA:\r\n\r\n",
}


@pytest.mark.parametrize("name", SERVED)
async def test_a_request_is_served_whole(name: str) -> None:
    async with served() as here:
        assert await here.say(SERVED[name]) == [204]
        assert here.heard.requests == [("/v1/me/history", b"hi")]


@pytest.mark.parametrize("name", SERVED)
async def test_a_request_is_served_whole_when_it_comes_byte_by_byte(name: str) -> None:
    async with served() as here:
        assert await here.say(*(bytes([one]) for one in SERVED[name])) == [204]
        assert here.heard.requests == [("/v1/me/history", b"hi")]


REFUSED = {
    # What the next program may take for the end of this request, and the beginning of another.
    "a length and chunks": HEAD + TWO + CHUNKED + CHUNKS,
    "chunks and a length": HEAD + CHUNKED + TWO + CHUNKS,
    "two lengths": HEAD + TWO + b"Content-Length: 3\r\n" + BODY,
    "the same length twice": HEAD + TWO + TWO + BODY,
    "a list of lengths": HEAD + b"Content-Length: 2, 2\r\n" + BODY,
    "a length with a sign": HEAD + b"Content-Length: +2\r\n" + BODY,
    "a negative length": HEAD + b"Content-Length: -2\r\n" + BODY,
    "a length in hexadecimal": HEAD + b"Content-Length: 0x2\r\n" + BODY,
    "an empty length": HEAD + b"Content-Length:\r\n" + BODY,
    "a length beyond counting": HEAD + b"Content-Length: 99999999999999999999\r\n" + BODY,
    "a space before the colon": HEAD + b"Content-Length : 2\r\n" + BODY,
    "another coding": HEAD + b"Transfer-Encoding: gzip\r\n" + BODY,
    "another coding in chunks": HEAD + b"Transfer-Encoding: gzip, chunked\r\n" + CHUNKS,
    "chunks in another coding": HEAD + b"Transfer-Encoding: chunked, gzip\r\n" + CHUNKS,
    "chunks twice": HEAD + CHUNKED + CHUNKED + CHUNKS,
    "chunks in a list": HEAD + b"Transfer-Encoding: chunked, chunked\r\n" + CHUNKS,
    "nearly chunked": HEAD + b"Transfer-Encoding: xchunked\r\n" + CHUNKS,
    "chunked behind a control character": HEAD + b"Transfer-Encoding: \x0bchunked\r\n" + CHUNKS,
    "chunks before there were any": b"POST /v1 HTTP/1.0\r\n" + HOST + CHUNKED + CHUNKS,
    "a folded line": HEAD + b"X-One: a\r\n b\r\n" + TWO + BODY,
    "a folded coding": HEAD + b"Transfer-Encoding:\r\n chunked\r\n" + CHUNKS,
    "line feeds alone": b"POST /v1 HTTP/1.1\nHost: api\nContent-Length: 2\n\nhi",
    "one line feed alone": POST + b"Host: api\n" + TWO + BODY,
    "a line feed behind a size": HEAD + CHUNKED + b"\r\n2\nhi\r\n0\r\n\r\n",
    "a line feed in an extension": HEAD + CHUNKED + b"\r\n2;a\nhi\r\n0\r\n\r\n",
    "a chunk longer than it says": HEAD + CHUNKED + b"\r\n2\r\nhi0\r\n\r\n",
    "a size with a prefix": HEAD + CHUNKED + b"\r\n0x2\r\nhi\r\n0\r\n\r\n",
    "a negative size": HEAD + CHUNKED + b"\r\n-2\r\nhi\r\n0\r\n\r\n",
    "a size beyond counting": HEAD + CHUNKED + b"\r\nfffffffffffffffff\r\nhi\r\n0\r\n\r\n",
    # What no field holds.
    "a carriage return in a value": HEAD + b"X-One: a\rb\r\n" + TWO + BODY,
    "a zero in a value": HEAD + b"X-One: a\x00b\r\n" + TWO + BODY,
    "a control character in a value": HEAD + b"X-One: a\x01b\r\n" + TWO + BODY,
    "a tab in a name": HEAD + b"X\tOne: a\r\n" + TWO + BODY,
    "no name": HEAD + b": a\r\n" + TWO + BODY,
    "no colon": HEAD + b"X-One\r\n" + TWO + BODY,
    # Whom and what is asked.
    "no host": POST + TWO + BODY,
    "two hosts": HEAD + HOST + TWO + BODY,
    "two hosts of the version before": b"POST /v1 HTTP/1.0\r\n" + HOST + HOST + TWO + BODY,
    "the address of a proxy": b"POST http://api/v1 HTTP/1.1\r\n" + HOST + TWO + BODY,
    "a fragment": b"POST /v1#more HTTP/1.1\r\n" + HOST + TWO + BODY,
    "a control character in the address": b"POST /v1\x01 HTTP/1.1\r\n" + HOST + TWO + BODY,
    "an address beyond ASCII": b"POST /v1\xff HTTP/1.1\r\n" + HOST + TWO + BODY,
    "a space in the address": b"POST /v1 /v2 HTTP/1.1\r\n" + HOST + TWO + BODY,
    "a tunnel": b"CONNECT api:80 HTTP/1.1\r\n" + HOST + b"\r\n",
    "no address": b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    "a method of nobody": b"HISTORY /v1 HTTP/1.1\r\n" + HOST + TWO + BODY,
    "no version": b"GET /v1\r\n\r\n",
    "the version behind": b"POST /v1 HTTP/2.0\r\n" + HOST + TWO + BODY,
    "the next protocol without an offer": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a greeting of TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_malformed_request_is_refused_and_heard_by_nobody(name: str) -> None:
    async with served() as here:
        assert await here.say(REFUSED[name]) == [400]
        assert here.heard.requests == []


@pytest.mark.parametrize("name", REFUSED)
async def test_it_is_refused_when_it_comes_in_pieces(name: str) -> None:
    said = REFUSED[name]
    async with served() as here:
        assert await here.say(*(said[at : at + 7] for at in range(0, len(said), 7))) == [400]
        assert here.heard.requests == []


BEGUN = {
    "an address": b"POST /",
    "a field": HEAD + b"X-One: ",
    "a name": HEAD + b"X",
    "an extension of a chunk": HEAD + CHUNKED + b"\r\n2;a",
    "a trailer": HEAD + CHUNKED + b"\r\n0\r\nX-One: ",
}


@pytest.mark.parametrize("name", BEGUN)
async def test_a_head_that_does_not_end_is_refused(name: str) -> None:
    async with served() as here:
        assert await here.say(BEGUN[name], *[b"a" * 8192] * 64) == [400]
        assert here.heard.requests == []


async def test_a_head_may_have_so_many_bytes_and_not_one_more() -> None:
    used = len("/v1/me/history" + "Hostapi" + "Content-Length2" + "Connectionclose" + "X-One")
    field = b"X-One: %b\r\n"
    async with served() as here:
        filled = field % (b"a" * (MAX_HEAD_BYTES - used))
        assert await here.say(HEAD + TWO + CLOSE + filled + BODY) == [204]
        filled = field % (b"a" * (MAX_HEAD_BYTES - used + 1))
        assert await here.say(HEAD + TWO + CLOSE + filled + BODY) == [400]
        many = b"X-One: a\r\n" * (MAX_HEAD_BYTES // 6)
        assert await here.say(HEAD + TWO + CLOSE + many + BODY) == [400]


async def test_a_long_body_is_no_head() -> None:
    size = 4 * MAX_HEAD_BYTES
    async with served() as here:
        head = HEAD + CLOSE + b"Content-Length: %d\r\n\r\n" % size
        assert await here.say(head, *[b"a" * 8192] * (size // 8192)) == [204]
        assert here.heard.requests == [("/v1/me/history", b"a" * size)]


async def test_a_trailer_is_no_header_of_this_request_or_the_next() -> None:
    trailing = HEAD + CHUNKED + b"\r\n2\r\nhi\r\n0\r\nClient-Cert: :AA:\r\n\r\n"
    async with served() as here:
        assert await here.say(trailing + HEAD + TWO + CLOSE + BODY) == [204, 204]
        assert [b"client-cert" in names for names in here.heard.headers] == [False, False]


async def test_an_offer_of_another_protocol_hides_no_request_in_a_body() -> None:
    hidden = b"POST /hidden HTTP/1.1\r\n" + HOST + b"\r\n"
    offer = b"Upgrade: h2c\r\nConnection: Upgrade\r\n"
    carrying = HEAD + offer + b"Content-Length: %d\r\n\r\n" % len(hidden)
    async with served() as here:
        assert await here.say(carrying, hidden, HEAD + TWO + CLOSE + BODY) == [204, 204]
        assert here.heard.requests == [("/v1/me/history", hidden), ("/v1/me/history", b"hi")]


async def test_a_connection_serves_one_request_after_the_other() -> None:
    async with served() as here:
        assert await here.say((HEAD + TWO + BODY) * 2 + HEAD + TWO + CLOSE + BODY) == [204] * 3


async def test_what_follows_the_end_of_a_connection_is_not_heard() -> None:
    async with served() as here:
        assert await here.say(HEAD + TWO + CLOSE + BODY + HEAD + TWO + BODY) == [204]
        assert len(here.heard.requests) == 1


async def test_a_refusal_is_never_the_answer_to_the_request_before() -> None:
    async with served() as here:
        assert await here.say(HEAD + TWO + BODY + b"malformed\r\n\r\n") == [204]
        assert await here.say(HEAD + TWO + BODY + HEAD + CHUNKED + b"\r\nx\r\n") in ([], [204])
        assert all(body == b"hi" for _, body in here.heard.requests)
