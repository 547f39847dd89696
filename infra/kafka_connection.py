"""Connecting aiokafka's clients, and turning its errors into ours."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from aiokafka.errors import (
    CorruptRecordException,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    NodeNotReadyError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    ProducerFenced,
    RequestTimedOutError,
)
from aiokafka.helpers import create_ssl_context

from infra.errors import InfrastructureError
from infra.settings import Settings, SettingsError

CONNECT_SECONDS: Final = 10.0
REQUEST_MS: Final = 10_000
_SWALLOWED_SECONDS: Final = 1.0


class BrokerUnavailable(InfrastructureError):
    """The broker does not answer; the text names its address."""


class BrokerRefused(InfrastructureError):
    """The broker answered a request with an error; the text names its kind."""


class Fenced(InfrastructureError):
    """Another process took over this transactional id: stop writing, all of it was rolled back."""


class PositionLost(InfrastructureError):
    """The wanted offset is not (or no longer) in the log."""


class RecordDamaged(InfrastructureError):
    """What the broker sends of a partition does not fit its own checksum."""


def connection_options(settings: Settings) -> dict[str, Any]:
    """Address and security as keyword arguments of any aiokafka client.

    Raises:
        SettingsError: no address, or a certificate file that cannot be read.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap,
        "security_protocol": settings.kafka_protocol,
    }
    if settings.kafka_protocol.endswith("SSL"):
        try:
            options["ssl_context"] = create_ssl_context(
                cafile=settings.kafka_ca_file,
                certfile=settings.kafka_cert_file,
                keyfile=settings.kafka_key_file,
            )
        except OSError as error:
            raise SettingsError(
                "The certificates of DPP_KAFKA_CA_FILE, DPP_KAFKA_CERT_FILE and "
                f"DPP_KAFKA_KEY_FILE cannot be used ({error.strerror or 'unreadable'})."
            ) from None
    if settings.kafka_protocol.startswith("SASL") and settings.kafka_password is not None:
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_user
        options["sasl_plain_password"] = settings.kafka_password.get_secret_value()
    return options


@contextmanager
def translated(settings: Settings) -> Iterator[None]:
    """Turn aiokafka's errors into ours."""
    try:
        yield
    except (ProducerFenced, OffsetOutOfRangeError, NoOffsetForPartitionError) as error:
        if isinstance(error, ProducerFenced):
            raise Fenced("Another process took over this writer's transactional id.") from None
        raise PositionLost(
            "The wanted offset is not in the log: it was removed by retention, or the topic was "
            "made anew; rebuild from the beginning."
        ) from None
    except CorruptRecordException as error:
        raise RecordDamaged(
            "The broker's own files are damaged: a record does not fit its checksum."
        ) from error
    except (
        KafkaConnectionError,
        KafkaTimeoutError,
        RequestTimedOutError,
        NodeNotReadyError,
        TimeoutError,
    ):
        raise BrokerUnavailable(
            f"No answer from the Kafka broker at {settings.kafka_bootstrap}: check that it runs, "
            "and DPP_KAFKA_BOOTSTRAP and the DPP_KAFKA_ security settings."
        ) from None
    except KafkaError as error:
        raise BrokerRefused(
            f"The Kafka broker at {settings.kafka_bootstrap} refused a request: "
            f"{type(error).__name__}."
        ) from error


async def start(settings: Settings, client: Any) -> None:
    """Start a client in `CONNECT_SECONDS`, or close it and raise; its own log lines stay out."""
    log = logging.getLogger("aiokafka")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with translated(settings):
            await start_within(client, CONNECT_SECONDS)
    except BaseException:
        await stop(client)
        raise
    finally:
        log.setLevel(before)


async def start_within(client: Any, seconds: float) -> None:
    """Start a client in so many seconds, leaving no connection open if it is cancelled meanwhile.

    aiokafka's first connection is known to nobody until the broker has described itself, and stays
    open if that is cancelled. So a start that nobody waits for any more may end by itself.
    """
    starting = asyncio.ensure_future(client.start())
    try:
        async with asyncio.timeout(seconds):
            await asyncio.shield(starting)
    except BaseException:
        await asyncio.wait([starting], timeout=_SWALLOWED_SECONDS)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        raise


async def stop(client: Any) -> None:
    """Stop a client of any kind: administration clients are closed."""
    stopping = asyncio.ensure_future(client.stop() if hasattr(client, "stop") else client.close())
    try:
        while not stopping.done():
            await asyncio.wait([stopping], timeout=_SWALLOWED_SECONDS)
            fetcher = getattr(client, "_fetcher", None)
            if fetcher is not None and not stopping.done():
                # aiokafka's fetcher loses the one cancellation that `stop` sends it when it is
                # just taking over a new assignment, and `stop` then waits for ever.
                fetcher._fetch_task.cancel()  # noqa: SLF001 - see above
    finally:
        stopping.cancel()
    if not stopping.cancelled():
        stopping.result()
    elif hasattr(client, "_client"):
        # A fetch that was cancelled under way ends aiokafka's own `stop` before its connections.
        await client._client.close()  # noqa: SLF001 - see above
