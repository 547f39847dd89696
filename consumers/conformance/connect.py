"""A run of the kit on a given backbone: a development one by its data folder, any by its API."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from consumers.conformance import enrolment
from consumers.conformance.case import Case
from consumers.conformance.enrolment import Keys
from consumers.conformance.run import Result, Ways, run
from consumers.conformance.ways import ApiWay, kafka_way
from consumers.progress import Progress
from consumers.stack.running import running
from infra.settings import Settings
from streams.intake.http_transport import connect_http
from streams.intake.kafka_transport import connect_kafka
from streams.intake.transports import Transport


async def in_folder(data: Path, cases: Sequence[Case], progress: Progress | None) -> list[Result]:
    """Admits the test publishers on the backbone that runs in this folder, and runs the cases.

    Raises:
        InfrastructureError: nothing runs there.
        TransportUnavailable, TransportRefused: its API does not answer, or says no.
    """
    settings, address = running(data)
    keys = await enrolment.enrol(settings)
    async with AsyncExitStack() as closing:
        transports = await closing.enter_async_context(_transports(address, settings, keys))
        raw = await closing.enter_async_context(kafka_way(settings))
        sessions = await enrolment.open_sessions(keys, transports)
        return await run(cases, Ways(ApiWay(transports), raw), sessions, progress)


async def over_api(
    address: str, settings: Settings, keys: Keys, cases: Sequence[Case], progress: Progress | None
) -> list[Result]:
    """Runs the cases through an API; those that it would not let through are skipped.

    Raises:
        TransportUnavailable, TransportRefused: the API does not answer, or knows not these keys.
    """
    async with _transports(address, settings, keys) as transports:
        sessions = await enrolment.open_sessions(keys, transports)
        return await run(cases, Ways(ApiWay(transports), None), sessions, progress)


async def over_kafka(
    address: str, settings: Settings, keys: Keys, cases: Sequence[Case], progress: Progress | None
) -> list[Result]:
    """The same, but submissions go straight to the broker of the settings, and none is skipped.

    Raises:
        InfrastructureError: the broker does not answer, or does not let the outputs be read.
        TransportUnavailable, TransportRefused: the API does not answer, or knows not these keys.
    """
    async with AsyncExitStack() as closing:
        answers = await closing.enter_async_context(_transports(address, settings, keys))
        raw = await closing.enter_async_context(kafka_way(settings))
        transports: dict[str, Transport] = {}
        for number, one in answers.items():
            transports[number] = await connect_kafka(settings, one)
            closing.push_async_callback(transports[number].close)
        sessions = await enrolment.open_sessions(keys, transports)
        return await run(cases, Ways(ApiWay(transports), raw), sessions, progress)


@asynccontextmanager
async def _transports(
    address: str, settings: Settings, keys: Keys
) -> AsyncIterator[dict[str, Transport]]:
    """The way through the API for each test publisher."""
    async with AsyncExitStack() as closing:
        opened: dict[str, Transport] = {}
        for number, key in keys.items():
            office = settings.office_public_key or ""
            opened[number] = connect_http(address, number, key, office_public_key=office)
            closing.push_async_callback(opened[number].close)
        yield opened
