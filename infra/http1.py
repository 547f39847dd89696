"""HTTP/1.1 as this product takes it: parsed by llhttp, and refused where programs may read apart.

llhttp itself refuses a length beside a transfer coding, folded lines, bare line feeds and control
characters; here is refused or left out what it lets pass. A refusal is a 400 and the end of the
connection, and never stands where another request's answer is awaited. Source: RFC 9112, section
11; OWASP ASVS 5.0, V4.2.
"""

from typing import Final, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MAX_HEAD_BYTES: Final = 64 * 1024
"""All of a request but its body: address, fields, sizes of chunks, trailers."""
_VERSIONS: Final = ("1.1", "1.0")
_REFUSED: Final = "Invalid HTTP request received."


class _NotTaken(Exception):
    """Raised to llhttp, which ends the connection as if it could not read the request."""


class StrictProtocol(HttpToolsProtocol):
    """uvicorn's protocol over llhttp: bounded, without trailers, and without other protocols."""

    _in_head = False
    """Whether the head is read: fields behind it are trailers."""
    _counted = 0
    """Bytes of address and fields as llhttp gave them."""
    _kept = 0
    """Bytes read that llhttp may still keep, because they were no body and the request goes on."""
    _refused = False

    def data_received(self, data: bytes) -> None:
        """Reads on, unless something was malformed before."""
        if self._refused:
            return
        self._unset_keepalive_if_required()
        self._kept += len(data)
        try:
            self._read(data)
        except httptools.HttpParserError:
            self._refused = True
            self.logger.warning(_REFUSED)
            self._refuse()

    def _read(self, data: bytes) -> None:
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                # llhttp would take the body for the other protocol, and has ended with this one.
                data = self._without_offer() + data[offer.args[0] :]
                self.parser = httptools.HttpRequestParser(self)
            else:
                break
        if self._kept > MAX_HEAD_BYTES:
            raise httptools.HttpParserError

    def _without_offer(self) -> bytes:
        """The head that was read last, without its offer of a protocol. Source: RFC 9110, 7.8."""
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        fields = (b"%b: %b\r\n" % field for field in self.headers if field[0] != b"upgrade")
        return b"%b %b HTTP/%b\r\n%b\r\n" % (method, self.url, version, b"".join(fields))

    def _refuse(self) -> None:
        # None before the first request.
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is None or cycle.response_complete:
            self.send_400_response(_REFUSED)
        elif not cycle.more_body:
            # Its answer is still to come, and is the last.
            self.shutdown()
        else:
            if not cycle.response_started and not self.pipeline:
                self.send_400_response(_REFUSED)
            self.transport.close()
            cycle.disconnected = True
            cycle.message_event.set()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head = True
        self._counted = self._kept = 0

    def on_url(self, url: bytes) -> None:
        """A piece of the address."""
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field; a trailer counts and says nothing. Source: RFC 9110, 6.5.1."""
        if self._in_head:
            super().on_header(name, value)
        self._count(len(name) + len(value))

    def _count(self, size: int) -> None:
        self._counted += size
        if self._counted > MAX_HEAD_BYTES:
            raise _NotTaken

    def on_headers_complete(self) -> None:
        """The head is whole, and its request begins if it is taken."""
        self._in_head = False
        if not self._is_taken():
            raise _NotTaken
        if not self.parser.should_upgrade():
            super().on_headers_complete()

    def _is_taken(self) -> bool:
        """Whether everybody on the way reads the same in it."""
        version = self.parser.get_http_version()
        hosts = sum(name == b"host" for name, _ in self.headers)
        codings = [value.lower() for name, value in self.headers if name == b"transfer-encoding"]
        return (
            version in _VERSIONS
            and (hosts == 1 or (version == "1.0" and hosts == 0))
            and (not codings or (version == "1.1" and codings == [b"chunked"]))
            and self.url.startswith(b"/")
            and b"#" not in self.url
            and self.parser.get_method() != b"CONNECT"
        )

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._kept = max(0, self._kept - len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole, unless its head is read again without an offer."""
        if not self.parser.should_upgrade():
            super().on_message_complete()
