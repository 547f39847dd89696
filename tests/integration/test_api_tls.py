"""Client certificates over real TLS: the API asks for one, verifies it, and holds tokens to it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from consumers.api.certificates import thumbprint
from consumers.api.run import bind, serve
from infra.settings import Settings, load_settings
from tests.unit.consumers.api.cast import ANN
from tests.unit.consumers.api.world import World

pytestmark = pytest.mark.integration


@dataclass(frozen=True)
class Certificate:
    """A key and its certificate, on disk and as DER."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    key_file: Path
    file: Path

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)


def issue(folder: Path, name: str, by: Certificate | None = None) -> Certificate:
    """A certificate of that name, signed by another or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    issuer = by.certificate.subject if by else subject
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=by is None,
        crl_sign=by is None,
        encipher_only=False,
        decipher_only=False,
    )
    signing = by.key if by else key
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
        .add_extension(names, critical=False)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()),
            critical=False,
        )
        .sign(signing, hashes.SHA256())
    )
    key_file, file = folder / f"{name}.key", folder / f"{name}.pem"
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return Certificate(key, made, key_file, file)


@asynccontextmanager
async def served(settings: Settings, world: World) -> AsyncIterator[str]:
    """The API on a port of its own, stopped at the end."""
    stop = asyncio.Event()
    with closing(bind(settings)) as listening:
        port = listening.getsockname()[1]
        serving = asyncio.create_task(serve(settings, world.deps, listening, stop))
        try:
            yield f"https://127.0.0.1:{port}"
        finally:
            stop.set()
            await serving


async def _status(url: str, ca: Certificate, client: Certificate | None, token: str) -> int:
    context = ssl.create_default_context(cafile=str(ca.file))
    if client is not None:
        context.load_cert_chain(client.file, client.key_file)
    async with httpx.AsyncClient(verify=context) as asking:
        headers = {
            "Authorization": f"Bearer {token}",
            # Where the API ends TLS itself, nobody's word on a certificate is taken.
            "Client-Cert": ":" + "QUFBQQ==" + ":",
        }
        answer = await asking.post(f"{url}/v1/me/history", json={}, headers=headers)
        return answer.status_code


async def test_a_service_is_held_to_the_certificate_its_token_names(tmp_path: Path) -> None:
    ca, stranger = issue(tmp_path, "ca"), issue(tmp_path, "stranger")
    server, service, other = (issue(tmp_path, n, ca) for n in ("server", "service", "other"))
    settings = load_settings(
        data=tmp_path,
        api_port=0,
        api_tls_cert_file=server.file,
        api_tls_key_file=server.key_file,
        api_tls_client_ca_file=ca.file,
    )
    world = World()
    bound = world.token("patient", niss=ANN, cnf={"x5t#S256": thumbprint(service.der)})
    async with served(settings, world) as url:
        assert await _status(url, ca, service, bound) == 200
        assert await _status(url, ca, other, bound) == 401
        assert await _status(url, ca, None, bound) == 401
        # Without a bound token no certificate is needed: portals come by the same door.
        assert await _status(url, ca, None, world.patient()) == 200
        with pytest.raises((httpx.HTTPError, ssl.SSLError)):
            await _status(url, ca, issue(tmp_path, "self", stranger), bound)
