"""Derives the digest of an answer again: which lines stood in the record at the positions named.

The limit and the period that were asked for are sealed under the subject secret, so a digest can be
derived for as long as that lives. A row leaves `history` a year after its delivery, so an answer
that reached further back than that by now may have held lines that nobody can name any more.
"""

from datetime import datetime
from typing import Final

from pydantic import ValidationError

from consumers.audit.access import Audited
from consumers.audit.report import AnswerCheck
from infra.postgres import Pool
from projections import queries
from projections.access import AccessFacts
from projections.history_statements import Asked
from schemas import brussels
from schemas.audit import ACCESS_DECIDED, RequestParameters, lines_digest
from schemas.keyvault import KeyReader, SubjectSecret
from schemas.sealing import SealBroken
from schemas.sealing.facts import access_associated_data, access_keys, unseal
from schemas.topics import DISPENSATION_RECORDED

_KEPT_MONTHS: Final = 12


class HistoryAnswers:
    """Implements `consumers.audit.access.Answers` over the projection `history`."""

    def __init__(self, pool: Pool, keys: KeyReader, now: datetime) -> None:
        self._pool = pool
        self._keys = keys
        self._kept_from = brussels.months_back(now, _KEPT_MONTHS)

    async def check(self, audited: Audited, facts: AccessFacts) -> AnswerCheck | None:
        """Whether the answer was the one that is recorded; None: it was another.

        Raises:
            VaultUnavailable, DatabaseUnavailable: they do not answer.
        """
        event = audited.event
        if event.purpose == "own_lines":
            return "own_lines"
        asked = await self._parameters(audited)
        if asked is None or asked.limit is None:
            return "no_keys"
        if asked.cursor:
            return "later_page"
        for oldest_first in (False, True):
            lines = await self._lines(audited, facts, asked, oldest_first=oldest_first)
            if (len(lines), lines_digest(lines)) == (event.rows, event.digest):
                return "derived"
            if len(lines) < asked.limit:
                break
        window = event.window
        if window is not None and window.start < self._kept_from:
            return "left_the_record"
        return None

    async def _lines(
        self, audited: Audited, facts: AccessFacts, asked: RequestParameters, *, oldest_first: bool
    ) -> list[tuple[str, int]]:
        event = audited.event
        person = facts.person or (event.subject or "",)
        window = asked.asked or event.window
        if window is None:
            return []
        topic = DISPENSATION_RECORDED.name
        cut = {one.partition: one.position for one in event.positions if one.topic == topic}
        page = Asked(
            start=window.start,
            end=window.end,
            limit=asked.limit or 1,
            as_of=cut,
            versions="revoked" if asked.revoked_only else asked.versions or "current",
            dguid=asked.dguid,
            oldest_first=oldest_first,
        )
        async with self._pool.connection() as connection:
            rows = await queries.history(connection, person, page)
        return [(row.dguid, row.version) for row in rows]

    async def _parameters(self, audited: Audited) -> RequestParameters | None:
        event = audited.event
        if event.subject is None or event.generation is None or event.sealed_parameters is None:
            return None
        name = (event.subject, event.generation)
        secret = (await self._keys.find_subject_secrets([name])).get(name)
        if not isinstance(secret, SubjectSecret):
            return None
        associated = access_associated_data(
            type_=ACCESS_DECIDED, subject=event.subject, generation=event.generation
        )
        try:
            keys = access_keys(secret.secret, "access")
            content = unseal(keys, audited.id, associated, event.sealed_parameters)
            return RequestParameters.read(content)
        except (SealBroken, ValidationError):
            return None
