"""Runs audits one after the other, and puts down which could not be done and why."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, NamedTuple

import psycopg

from consumers.audit.summary import Section, not_done
from infra.errors import InfrastructureError
from schemas.catalogue import CatalogueUnavailable
from schemas.keyvault import VaultUnavailable
from streams.intake.keys import KeyFileError
from streams.notary.leaf import LeafInvalid
from streams.notary.notes import NoteInvalid
from streams.notary.tiles import BundleInvalid

LOG: Final = "log"
_MISSING: Final = (InfrastructureError, VaultUnavailable, CatalogueUnavailable, KeyFileError)
_DAMAGED: Final = (NoteInvalid, BundleInvalid, LeafInvalid)


class Audit(NamedTuple):
    """One audit: what runs it, and the one before without which it makes no sense."""

    run: Callable[[], Awaitable[Sequence[Section]]]
    after: str | None = None


async def gather(done: Sequence[Section], audits: Mapping[str, Audit]) -> list[Section]:
    """The sections of these audits behind those that are done; total over known failures."""
    sections = list(done)
    for name, audit in audits.items():
        why = _blocked(sections, audit.after)
        if why is not None:
            sections.append(not_done(name, why))
            continue
        try:
            sections += await audit.run()
        except _MISSING as error:
            sections.append(not_done(name, str(error) or type(error).__name__))
        except _DAMAGED as error:
            sections.append(not_done(name, f"The log does not hold: {error}."))
        except psycopg.Error as error:
            sections.append(not_done(name, f"The database failed ({type(error).__name__})."))
    return sections


def _blocked(sections: Sequence[Section], after: str | None) -> str | None:
    for one in sections:
        if one.name == after and one.outcome == "not_done":
            return one.reason or f"{one.name} was not done."
        if one.name == after == LOG and one.outcome == "differs":
            return "The log does not hold."
    return None
