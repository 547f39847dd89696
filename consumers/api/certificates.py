"""Client certificates: of our own TLS, or as a proxy that ends TLS for us hands them on.

A header is believed only if configuration names it, and only from the proxies named there; from
anybody else it is as if it were not there. Source: RFC 8705; RFC 9440 (`Client-Cert`).
"""

import asyncio
import base64
import binascii
import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from starlette.requests import HTTPConnection

from infra.http1 import StrictProtocol
from schemas.sealing import b64encode

STATE: Final = "client_certificate"
MAX_HEADER_CHARS: Final = 8192
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """Which header carries the certificate, and who may set it."""

    header: str
    networks: tuple[Network, ...]

    @classmethod
    def parse(cls, header: str, networks: str) -> "TrustedProxies":
        """From settings; networks are separated by commas.

        Raises:
            ValueError: one is no address or network.
        """
        names = [part.strip() for part in networks.split(",")]
        return cls(header.lower(), tuple(ipaddress.ip_network(one) for one in names if one))

    def trusts(self, peer: str | None) -> bool:
        """Whether this peer is one of the proxies."""
        try:
            address = ipaddress.ip_address(peer or "")
        except ValueError:
            return False
        return any(address in network for network in self.networks)


def thumbprint(certificate: bytes) -> str:
    """`x5t#S256` of a certificate in DER."""
    return b64encode(hashlib.sha256(certificate).digest())


def certificate_of(request: HTTPConnection, proxies: TrustedProxies | None) -> bytes | None:
    """The client's certificate (DER), if this connection has shown one."""
    state = request.scope.get("state") or {}
    shown = state.get(STATE)
    if shown is not None:
        return cast("bytes", shown)
    if proxies is None or not proxies.trusts(request.client.host if request.client else None):
        return None
    return _of_header(request.headers.getlist(proxies.header))


def _of_header(values: Sequence[str]) -> bytes | None:
    """An RFC 9440 header: base64 of DER between colons."""
    if len(values) != 1 or len(values[0]) > MAX_HEADER_CHARS:
        return None
    text = values[0].strip()
    if len(text) < 3 or text[0] != ":" or text[-1] != ":":  # noqa: PLR2004 - two colons and more
        return None
    try:
        return base64.b64decode(text[1:-1], validate=True)
    except (binascii.Error, ValueError):
        return None


class CertificateProtocol(StrictProtocol):
    """The protocol, which also tells the application whose certificate TLS has verified."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the certificate with the state that every request of the connection gets."""
        super().connection_made(transport)  # type: ignore[arg-type]
        tls = self.transport.get_extra_info("ssl_object")
        certificate = tls.getpeercert(binary_form=True) if tls is not None else None
        if certificate:
            self.app_state = {**self.app_state, STATE: certificate}
