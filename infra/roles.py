"""Roles of the databases, and the one under which each part logs in.

The migrations make the roles and say what each may do; they cannot log in until somebody gives them
a password. The embedded servers get one for each start; elsewhere a database administrator does it.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from psycopg import sql
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from infra.postgres import connect
from infra.settings import Settings

PROJECTOR: Final = "dpp_projector"
READER: Final = "dpp_reader"
VAULT_STAGE: Final = "dpp_vault_stage"
VAULT_READER: Final = "dpp_vault_reader"
_PASSWORD_BYTES: Final = 24


@dataclass(frozen=True, slots=True)
class Roles:
    """As whom a part logs in: to the projections' database, and to the vault."""

    database: str
    vault: str


OF_PARTS: Final[Mapping[str, Roles]] = {
    "quality": Roles(READER, VAULT_STAGE),
    "subject": Roles(READER, VAULT_STAGE),
    "projections": Roles(PROJECTOR, VAULT_READER),
    "notary": Roles(READER, VAULT_READER),
    "notices": Roles(READER, VAULT_READER),
    "api": Roles(READER, VAULT_READER),
}
"""What each part needs, and no more. The keeper takes months away and destroys secrets: it and the
commands that rebuild or migrate log in as the owner."""


async def logins(settings: Settings) -> Mapping[str, Settings]:
    """The settings of each part under its own roles, with new passwords; by name of the part.

    `settings` log in as somebody who may alter roles of both servers.
    """
    words = {name: secrets.token_urlsafe(_PASSWORD_BYTES) for name in _names()}
    for dsn in dict.fromkeys((settings.dsn, settings.vault)):
        async with connect(dsn, autocommit=True) as connection:
            for name, word in words.items():
                await connection.execute(
                    sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(
                        sql.Identifier(name), sql.Literal(word)
                    )
                )
    return {
        part: settings.model_copy(
            update={
                "postgres_dsn": _as(settings.dsn, roles.database, words),
                "vault_dsn": _as(settings.vault, roles.vault, words),
            }
        )
        for part, roles in OF_PARTS.items()
    }


def _names() -> list[str]:
    return sorted({name for roles in OF_PARTS.values() for name in (roles.database, roles.vault)})


def _as(dsn: str, role: str, words: Mapping[str, str]) -> SecretStr:
    return SecretStr(make_conninfo(dsn, user=role, password=words[role]))
