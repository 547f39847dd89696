"""The API as a process: real adapters behind the ports, uvicorn inside, until told to stop."""

import asyncio
import contextlib
import socket
import ssl
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog
import uvicorn
from psycopg import OperationalError
from psycopg_pool import PoolClosed, PoolTimeout

from consumers.api.adapters import KafkaLog, LoggedFiles, Readiness, WaiterPositions
from consumers.api.app import create_app
from consumers.api.certificates import CertificateProtocol, TrustedProxies
from consumers.api.follower import Follower
from consumers.api.gate import Gate
from consumers.api.issuers import TrustedIssuer, read_issuers
from consumers.api.jwks import KeyRings
from consumers.api.outcomes import OutcomeBook
from consumers.api.pools import opened_pools
from consumers.api.ports import ApiSettings, Dependencies
from consumers.api.registrar import NoIntakeKey, SessionRegistrar
from consumers.api.replay import ReplayMemory
from consumers.api.store import PostgresStore
from consumers.api.throttle import Throttle
from consumers.api.tokens import TokenVerifier
from consumers.api.tokens_dev import DevIssuer
from consumers.catalogue import catalogue
from consumers.stack.office import registrar_key_path
from consumers.stack.stack import migration_sources
from infra.errors import InfrastructureError
from infra.kafka import PartitionReader, Producer, producer, reader
from infra.keys.opening import opened_vault
from infra.migrations import require_current
from infra.observability.ops import QuietServer
from infra.settings import Settings, SettingsError
from projections.broadcast import BroadcastTables
from projections.positions import PositionWaiter
from schemas import topics
from schemas.keyvault import KeyVault
from schemas.sealing.office import OfficeKeys
from streams.engine.memory import rarely_collected
from streams.intake.keys import KeyFileError, SigningKey

VAULT_POOL: Final = 16
GRACE_SECONDS: Final = 5
KEEP_ALIVE_SECONDS: Final = 75
"""Longer than clients and proxies keep an idle connection, so that none is cut as it is used."""
UNAVAILABLE: Final = (InfrastructureError, OperationalError, PoolTimeout, PoolClosed, NoIntakeKey)
_log = structlog.get_logger("api")


async def run_api(settings: Settings, stop: asyncio.Event) -> None:
    """Serves on `api_host`:`api_port` until `stop` is set.

    Raises:
        InfrastructureError: a server is missing, a key cannot be read, or the port is taken.
    """
    await require_current(migration_sources(settings))
    listening = bind(settings)
    with contextlib.closing(listening):
        async with dependencies(settings) as deps:
            with rarely_collected():
                await serve(settings, deps, listening, stop)


def bind(settings: Settings) -> socket.socket:
    """The listening socket.

    Raises:
        InfrastructureError: the port is taken or not ours to use.
    """
    place = (settings.api_host, settings.api_port)
    try:
        return socket.create_server(place, backlog=512)
    except OSError as error:
        raise InfrastructureError(
            f"The API cannot listen on {place[0]}:{place[1]} ({error.strerror}): choose another "
            "port in DPP_API_PORT."
        ) from None


async def serve(
    settings: Settings, deps: Dependencies, listening: socket.socket, stop: asyncio.Event
) -> None:
    """Serves the app on a bound socket until `stop` is set."""
    server = QuietServer(
        uvicorn.Config(
            create_app(deps),
            http=CertificateProtocol,
            ws="none",
            ssl_certfile=settings.api_tls_cert_file,
            ssl_keyfile=settings.api_tls_key_file,
            ssl_ca_certs=_text(settings.api_tls_client_ca_file),
            # Asked for, not demanded: portals and pharmacies come without one.
            ssl_cert_reqs=ssl.CERT_OPTIONAL if settings.api_tls_client_ca_file else ssl.CERT_NONE,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
    host, port = listening.getsockname()[:2]
    _log.info("api_listening", host=host, port=port, dev_issuer=deps.dev_issuer is not None)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    stopping.cancel()
    await serving


@asynccontextmanager
async def dependencies(settings: Settings) -> AsyncIterator[Dependencies]:
    """Everything real, started, and stopped at the end.

    Raises:
        InfrastructureError: a server is missing or a key cannot be read.
    """
    office = settings.office_keys
    async with (
        opened_vault(settings, maximum=VAULT_POOL) as vault,
        opened_pools(settings) as pools,
        producer(settings, linger_ms=0) as writer,
        reader(settings) as broker,
        _following(settings, office) as tables,
        PositionWaiter(settings.dsn, pools.access) as waiter,
    ):
        outcomes = OutcomeBook()
        issuer = _dev_issuer(settings)
        issuers = _issuers(settings, issuer)
        async with (
            _followed(Follower(settings, outcomes)) as follower,
            _key_rings(issuers) as rings,
        ):
            log = await _log_of(writer, broker)
            receipts = len(log.partitions(topics.DISPENSATION_RECEIPTS.name))
            store = PostgresStore(pools, receipts)
            registrar = SessionRegistrar(
                key=_registrar_key(settings), log=log, tables=tables, clock=_now
            )
            yield Dependencies(
                vault=vault,
                tables=tables,
                log=log,
                positions=WaiterPositions(waiter),
                store=store,
                logged=LoggedFiles(settings.log_folder, settings.data / "api" / "log-places"),
                outcomes=outcomes,
                registrar=registrar,
                gate=_gate(settings, issuers, tables, rings, vault),
                throttle=Throttle(
                    requests_per_minute=settings.api_requests_per_minute,
                    patients_per_hour=settings.api_patients_per_hour,
                    clock=time.monotonic,
                ),
                proxies=_proxies(settings),
                products=catalogue.by_cnk(),
                health=Readiness(log=log, store=store, follower=follower, tables=tables),
                clock=_now,
                new_id=_new_id,
                settings=api_settings(settings),
                dev_issuer=issuer,
                unavailable_errors=UNAVAILABLE,
            )


def _now() -> datetime:
    return datetime.now(UTC)


def _new_id() -> str:
    return str(uuid.uuid4())


def _registrar_key(settings: Settings) -> SigningKey:
    try:
        return SigningKey.load(registrar_key_path(settings))
    except KeyFileError as error:
        raise InfrastructureError(f"{error} dpp office init makes it.") from None


def _dev_issuer(settings: Settings) -> DevIssuer | None:
    if not settings.dev_issuer:
        return None
    return DevIssuer.open(settings.data / "keys", ApiSettings().audience)


def api_settings(settings: Settings) -> ApiSettings:
    """Limits and switches of the API as the process was told."""
    scheme = "https" if settings.api_tls_cert_file else "http"
    return ApiSettings(
        position_timeout=settings.api_position_seconds,
        docs=settings.api_docs,
        public_url=settings.api_public_url or f"{scheme}://{settings.api_host}:{settings.api_port}",
    )


def _issuers(settings: Settings, dev_issuer: DevIssuer | None) -> tuple[TrustedIssuer, ...]:
    issuers: tuple[TrustedIssuer, ...] = (dev_issuer.trusted(),) if dev_issuer else ()
    if settings.issuers_file is None:
        return issuers
    try:
        return issuers + read_issuers(settings.issuers_file)
    except OSError as error:
        raise SettingsError(
            f"The file of DPP_ISSUERS_FILE cannot be read: {error.strerror}."
        ) from None
    except ValueError as error:
        raise SettingsError(f"{error} Look at DPP_ISSUERS_FILE.") from None


@asynccontextmanager
async def _key_rings(issuers: tuple[TrustedIssuer, ...]) -> AsyncIterator[KeyRings]:
    """The issuers' keys, read once before anything is answered, and then again and again."""
    try:
        rings = KeyRings(issuers, time.monotonic)
    except ValueError as error:
        raise SettingsError(f"{error} Look at DPP_ISSUERS_FILE.") from None
    await asyncio.gather(*(rings.read_again(one.issuer) for one in rings.remote))
    reading = asyncio.create_task(rings.keep_reading())
    try:
        yield rings
    finally:
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading


def _gate(
    settings: Settings,
    issuers: tuple[TrustedIssuer, ...],
    tables: BroadcastTables,
    rings: KeyRings,
    vault: KeyVault,
) -> Gate:
    limits = api_settings(settings)
    verifier = TokenVerifier(
        issuers=issuers, publishers=tables, audience=limits.audience, clock=_now, rings=rings
    )
    return Gate(
        verifier=verifier,
        replay=ReplayMemory(lambda: _now().timestamp()),
        public_url=limits.public_url,
        clock=_now,
        rings=rings,
        nonce_key=(lambda: vault.root_key("cursor")) if settings.api_dpop_nonce else None,
    )


def _proxies(settings: Settings) -> TrustedProxies | None:
    header, networks = settings.api_client_cert_header, settings.api_trusted_proxies
    if header is None or networks is None:
        return None
    try:
        return TrustedProxies.parse(header, networks)
    except ValueError:
        raise SettingsError(
            "The setting DPP_API_TRUSTED_PROXIES is wrong: give addresses or networks, separated "
            "by commas."
        ) from None


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


async def _log_of(writer: Producer, broker: PartitionReader) -> KafkaLog:
    used = (
        topics.ACCESS_AUDITED,
        topics.DISPENSATION_RECEIPTS,
        topics.DISPENSATION_RECORDED,
        topics.DISPENSATION_SUBMITTED,
        topics.PUBLISHER_SESSIONS,
        topics.RECALL_NOTICES,
        topics.SUBJECT_REGISTERED,
        topics.SUBJECT_SUBMITTED,
    )
    counts = {topic.name: len(await broker.partitions(topic.name)) for topic in used}
    return KafkaLog(writer, broker, counts)


@asynccontextmanager
async def _following(settings: Settings, office: OfficeKeys) -> AsyncIterator[BroadcastTables]:
    tables = BroadcastTables(settings, office)
    await tables.start()
    try:
        await tables.catch_up()
        yield tables
    finally:
        await tables.stop()


@asynccontextmanager
async def _followed(follower: Follower) -> AsyncIterator[Follower]:
    running = asyncio.create_task(follower.run())
    try:
        yield follower
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
