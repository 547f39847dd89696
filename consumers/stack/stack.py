"""Everything together, as `dpp up`, `dpp demo` and the end-to-end tests run it."""

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx
import structlog
from pydantic import SecretStr

from consumers.catalogue.sample import ensure_sample
from consumers.stack.office import first_keys, init_office, log_signers
from consumers.stack.parts import PARTS, Part
from consumers.witness.keeping import witness_verifier
from infra import migrations, topics
from infra.catalogue.postgres import migrations_source
from infra.embedded.cluster import EmbeddedInfrastructure
from infra.embedded.processes import free_ports, tail
from infra.errors import InfrastructureError
from infra.migrations import Source
from infra.roles import logins
from infra.settings import Settings, load_settings
from streams.notary import notes
from streams.notary.notes import Verifier

READY_SECONDS: Final = 90.0
PERSONAS_FILE: Final = "personas.json"
_TOKEN_SECONDS: Final = 43_200
_WATCH_SECONDS: Final = 0.25
_RESTART_SECONDS: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
Progress = Callable[[str], None]
log = structlog.get_logger(__name__)


class PartFailed(InfrastructureError):
    """A part did not become ready; the text names it and the end of its log."""


def migration_sources(settings: Settings) -> tuple[Source, ...]:
    """Where the migrations of each database lie."""
    return (
        Source("projections", "sql", settings.dsn),
        migrations_source(settings.dsn),
        Source("infra", "keys/sql", settings.vault),
    )


class Stack:
    """The backbone in `folder`, with embedded servers unless the settings name others."""

    def __init__(self, settings: Settings, *, progress: Progress | None = None) -> None:
        self._given = settings
        self._progress = progress or (lambda _step: None)
        self._embedded: EmbeddedInfrastructure | None = None
        self._watching: asyncio.Task[None] | None = None
        self._settings: Settings | None = None
        self._logins: Mapping[str, Settings] = {}
        self.parts: dict[str, Part] = {}

    @property
    def settings(self) -> Settings:
        """Settings that reach the running servers.

        Raises:
            InfrastructureError: nothing was started.
        """
        if self._settings is None:
            raise InfrastructureError("The backbone was not started.")
        return self._settings

    @property
    def api_url(self) -> str:
        """Address of the API."""
        return f"http://{self.settings.api_host}:{self.settings.api_port}"

    async def start(self) -> None:
        """Starts servers and parts, and waits until all are ready.

        Raises:
            InfrastructureError: something did not start; what did is stopped again.
        """
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        settings = await self._servers()
        self._progress("topics, databases and first keys")
        await topics.apply(settings)
        await migrations.migrate(migration_sources(settings))
        await ensure_sample(settings.dsn)
        cosigner = witness_verifier(settings)
        await init_office(settings)
        self._settings = settings
        self._progress("quality stage, subject stage, projections, notary, witness, keeper, API")
        # Servers of our own have no other guest, so each part gets a role with a fresh password.
        self._logins = {} if self._embedded is None else await logins(settings)
        self._make_parts(settings, cosigner)
        for part in self.parts.values():
            part.start()
        await self.wait_ready()
        self._watching = asyncio.create_task(self._watch())
        self._write_endpoints(await self._tokens())

    def _make_parts(self, settings: Settings, cosigner: Verifier) -> None:
        """Every part with its ports, and a witness, which the notary asks."""
        cosigning, watched, *free = free_ports(len(PARTS) + 2)
        ports = dict(zip(PARTS, free, strict=True))
        if settings.api_port:
            ports["api"] = settings.api_port
        own = f"http://127.0.0.1:{cosigning} {cosigner}"
        named = ",".join(one for one in (settings.log_witnesses, own) if one)
        update = {"api_port": ports["api"], "log_witnesses": named}
        self._settings = settings.model_copy(update=update)
        for name, port in ports.items():
            self.parts[name] = Part(name, port, self._environment(name, port), settings.data)
        self.parts["witness"] = _witness(settings, cosigning, watched)

    async def _servers(self) -> Settings:
        settings = self._given.model_copy(update={"data": self._given.data.absolute()})
        settings.data.mkdir(parents=True, exist_ok=True)
        if settings.kafka_bootstrap is None or settings.postgres_dsn is None:
            self._progress("broker and database")
            self._embedded = EmbeddedInfrastructure(settings.data)
            found = await self._embedded.astart()
            settings = settings.model_copy(
                update={
                    "kafka_bootstrap": found.kafka_bootstrap,
                    "postgres_dsn": SecretStr(found.postgres_dsn),
                    "vault_dsn": SecretStr(found.vault_dsn),
                }
            )
        return first_keys(settings)

    def _environment(self, name: str, port: int) -> dict[str, str]:
        own = self._logins.get(name, self.settings)
        of_all = self.settings
        shared = {"api_port": of_all.api_port, "log_witnesses": of_all.log_witnesses}
        return {
            **own.model_copy(update=shared).environment(),
            "DPP_METRICS_PORT": str(port),
        }

    async def wait_ready(self, *names: str, seconds: float = READY_SECONDS) -> None:
        """Waits until the parts named (all, if none is) say that they are ready.

        Raises:
            PartFailed: one is not, after `seconds`, or it ended and nobody starts it again.
        """
        waiting = {name: self.parts[name] for name in names or self.parts}
        until = asyncio.get_running_loop().time() + seconds
        async with httpx.AsyncClient(timeout=2.0) as client:
            while waiting:
                for name, part in list(waiting.items()):
                    if await _is_ready(client, part):
                        del waiting[name]
                    elif self._watching is None and not part.running:
                        raise PartFailed(f"The part {name} ended at its start: {part.last_words}")
                if waiting and asyncio.get_running_loop().time() > until:
                    name, part = next(iter(waiting.items()))
                    raise PartFailed(
                        f"The part {name} is not ready; its log ends: {tail(part.log)}"
                    )
                await asyncio.sleep(_WATCH_SECONDS if waiting else 0)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            for part in self.parts.values():
                if not part.running:
                    pause = _RESTART_SECONDS[min(part.starts, len(_RESTART_SECONDS)) - 1]
                    log.warning("part ended, starting again", name=part.name, starts=part.starts)
                    await asyncio.sleep(pause)
                    part.start()

    def _write_endpoints(self, tokens: dict[str, str]) -> None:
        settings = self.settings
        endpoints = {
            "kafka_bootstrap": settings.bootstrap,
            "postgres_dsn": settings.dsn,
            "vault_dsn": settings.vault,
            "api": self.api_url,
            "ops": {name: f"http://127.0.0.1:{part.port}" for name, part in self.parts.items()},
            "office_public_key": settings.office_public_key,
            "tokens": tokens,
        }
        _write_private(settings.data / "endpoints.json", endpoints)

    async def publish_personas(self, claims: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
        """Tokens for these people, by name; they and their tokens are kept in the data folder.

        With the development issuer on, the next start writes fresh tokens for them.
        """
        _write_private(self.settings.data / PERSONAS_FILE, claims)
        tokens = await self._tokens()
        self._write_endpoints(tokens)
        return tokens

    async def _tokens(self) -> dict[str, str]:
        file = self.settings.data / PERSONAS_FILE
        if not (self.settings.dev_issuer and file.exists()):
            return {}
        tokens: dict[str, str] = {}
        async with httpx.AsyncClient(base_url=self.api_url) as client:
            for name, claims in json.loads(file.read_text()).items():
                asked = {**claims, "seconds": _TOKEN_SECONDS}
                answer = await client.post("/dev/token", json=asked)
                answer.raise_for_status()
                tokens[name] = answer.json()["access_token"]
        return tokens

    async def stop(self) -> None:
        """Stops the parts, then the servers; harmless when nothing runs."""
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
            self._watching = None
        for part in self.parts.values():
            part.request_stop()
        for part in self.parts.values():
            await part.stopped()
        if self._embedded is not None:
            await self._embedded.astop()
            self._embedded = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()


def _witness(settings: Settings, port: int, metrics_port: int) -> Part:
    """A witness of our own; it is told its folder, the log's public keys, and where the log is."""
    own = load_settings(
        data=settings.data, witness_name=settings.witness_name, metrics_port=metrics_port
    )
    keys = [notes.verifier(settings.log_origin, one) for one in log_signers(settings).keys]
    logs = [argument for key in keys for argument in ("--log", str(key))]
    command = (
        "witness",
        "serve",
        *logs,
        "--published",
        str(settings.log_folder),
        "--port",
        str(port),
    )
    return Part("witness", metrics_port, own.environment(), settings.data, command)


def _write_private(file: Path, content: Mapping[str, object]) -> None:
    """Writes JSON that only the owner may read."""
    file.touch(mode=0o600, exist_ok=True)
    file.write_text(json.dumps(content, indent=2) + "\n")


async def _is_ready(client: httpx.AsyncClient, part: Part) -> bool:
    try:
        return (await client.get(part.ready_url)).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
