"""Who reads the log's own files or Kafka is recorded before anything is read; `dpp audit reader`.

Over HTTP the API records each bundle that it gives out. Where no broker is named, a copy is read
that somebody has brought from there: then there is nowhere to record it.
"""

import asyncio
import getpass
import re
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Final

import typer

from consumers.audit import reads
from consumers.audit.reads import LogReading
from consumers.audit.remote import is_url, opened
from consumers.cli.infra_commands import Json
from consumers.cli.output import one_sentence, print_json
from infra.keys.opening import opened_vault
from infra.settings import Settings, load_settings
from schemas.model import PSEUDONYM_PATTERN
from streams.notary.directory import Read

Auditor = Annotated[
    str | None,
    typer.Option(
        help="Who answers for it: a name, or what dpp audit reader prints for one, which needs no "
        "key vault; the login name if not given."
    ),
]
HOLDS_FOR: Final = timedelta(days=1)
"""How long one record holds for an audit that goes on."""


class Recorder:
    """The records of one command that reads `place`, and Kafka if `kafka`."""

    def __init__(
        self,
        settings: Settings,
        purpose: str,
        auditor: str | None,
        place: str,
        *,
        kafka: bool = False,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._purpose = purpose
        self._auditor = auditor
        self._kafka = kafka
        self._place = place
        self._clock = clock
        self._reader: str | None = None
        self._until: datetime | None = None

    async def ensure(self, first_leaf: int) -> None:
        """Returns once a record of today stands for what is read from this leaf on.

        Raises:
            InfrastructureError, VaultUnavailable: it could not be written; nothing may be read.
        """
        settings, now = self._settings, self._clock()
        broker = settings.bootstrap if self._kafka else settings.kafka_bootstrap
        given_out = is_url(self._place) and not self._kafka
        if given_out or broker is None or (self._until is not None and now < self._until):
            return
        append = partial(reads.kafka_append, settings)
        if self._reader is None:
            self._reader = await reader_of(settings, self._auditor)
        asked = LogReading(self._purpose, first_leaf, self._kafka)
        await reads.record_log(append, self._reader, asked, now)
        self._until = now + HOLDS_FOR


def opened_recorded(
    place: str, settings: Settings, stack: ExitStack, recorder: Recorder, first_leaf: int = 0
) -> Read:
    """What reads the log, once it is recorded that somebody does.

    Raises:
        LogUnavailable: there is no such folder.
        InfrastructureError, VaultUnavailable: it could not be recorded.
    """
    read = opened(place, settings, stack)
    asyncio.run(recorder.ensure(first_leaf))
    return read


async def reader_of(settings: Settings, auditor: str | None) -> str:
    """The pseudonym of who answers for an audit; a pseudonym stands for itself.

    Raises:
        InfrastructureError, VaultUnavailable: the vault is not at hand.
    """
    if auditor is not None and re.fullmatch(PSEUDONYM_PATTERN, auditor):
        return auditor
    async with opened_vault(settings, maximum=1, listening=False) as vault:
        return await reads.reader_pseudonym(vault, auditor or getpass.getuser())


def reader(
    name: Annotated[str, typer.Argument(help="Who answers for an audit.")], as_json: Json = False
) -> None:
    """Prints the pseudonym under which an auditor is recorded, for machines without the key vault.

    It needs the backbone's own key vault (DPP_VAULT_DSN, DPP_KEK_FILE).
    """
    with one_sentence():
        found = asyncio.run(reader_of(load_settings(), name))
    if as_json:
        print_json({"reader": found})
    else:
        typer.echo(found)
