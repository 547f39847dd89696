"""The shell of quality control: gathers what deciding a batch needs, and nothing else.

Broadcast tables are caught up past the batch first; then every submission is opened and read once,
the catalogue is asked for all product codes of the batch in one round trip, and the vault for all
secrets in one of each kind.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from projections.folds import publishers
from schemas import topics
from schemas.catalogue import Catalogue, CatalogueUnavailable
from schemas.dispensation import CorrectBody, RevokeBody, SubmissionBody
from schemas.identifiers import guid, pharmacy
from schemas.keyvault import IntakeKey, KeyVault, Shredded
from schemas.partitioning import partition_for
from schemas.policy import PolicyVersion
from streams.engine.stage import Headers, Output, Submission
from streams.engine.tables import StateTables
from streams.quality import admission, decide, inspection
from streams.quality import state as states
from streams.quality.admission import Barred, Opened
from streams.quality.gathered import Gathered, Period, Prepared, Readable, Unreadable
from streams.quality.inspection import Inspection
from streams.quality.lifecycle import LineState
from streams.quality.rules import Known, lines_of
from streams.quality.state import LineKey, QualityState
from streams.sessions import Sessions, SessionView, Tables


class QualityStage:
    """`streams.engine.stage.Stage` of pharmacies' submissions.

    Args:
        tables: followed by the caller, which starts and stops them.
        vault: keys of intake, subjects and periods.
        catalogue: the medicines catalogue, in the version that the quality policy names.
        partitions: count of the submitted topic, which never changes.
    """

    name: Final = decide.STAGE
    submitted: Final = topics.DISPENSATION_SUBMITTED.name
    outputs: Final = (topics.DISPENSATION_RECORDED.name, topics.DISPENSATION_RECEIPTS.name)
    receipts: Final = topics.DISPENSATION_RECEIPTS.name

    def __init__(
        self, tables: Tables, vault: KeyVault, catalogue: Catalogue, partitions: int
    ) -> None:
        self._tables = tables
        self._vault = vault
        self._catalogue = catalogue
        self._partitions = partitions
        self._sessions = Sessions()

    @property
    def fold(self) -> str:
        """Version of what is remembered."""
        return states.FOLD

    def initial(self, tables: StateTables) -> QualityState:
        """The state in these tables; of a partition without outputs: no line, no number."""
        return QualityState(tables)

    def evolve(
        self,
        state: QualityState,
        topic: str,
        key: bytes | None,  # noqa: ARG002 - the engine passes what it has; type and value suffice
        headers: Headers,
        value: bytes | None,
    ) -> None:
        """Fold one output into the state; dead letters are nobody's memory."""
        if topic in self.outputs:
            states.evolve(state, headers, value)

    def decide(
        self, state: QualityState, submission: Submission, gathered: Gathered
    ) -> tuple[Output, ...]:
        """The outputs of one submission, its receipt last."""
        return decide.decide(state, submission, gathered)

    def undecidable(self, submission: Submission, error_type: str) -> tuple[Output, ...]:
        """The rejection of a submission on which `decide` failed."""
        policy = self._tables.policy("quality", submission.appended_at)
        return decide.undecidable(submission, policy.version, error_type)

    async def gather(self, state: QualityState, batch: Sequence[Submission]) -> Gathered:
        """Open and read every submission, and fetch what deciding the batch needs.

        Raises:
            VaultUnavailable, BrokerUnavailable, CatalogueUnavailable: nothing was decided; try the
                batch again.
        """
        await self._tables.catch_up()
        if batch:
            state.at(min(one.appended_at for one in batch))
        intake = await self._vault.intake_keys()
        pseudonym_key = await self._vault.root_key("pseudonym")
        read = {one.offset: self._read(one, intake) for one in batch}
        known = await self._catalogued(read.values())
        prepared = {
            one.offset: _inspected(one, read[one.offset], known, pseudonym_key) for one in batch
        }
        readable = [one.found for one in prepared.values() if isinstance(one.found, Readable)]
        lines = list(_known_lines(state, readable))
        days: Mapping[date, Period] = await self._vault.period_secrets(
            {one.inspection.day for one in readable if one.inspection.day is not None}
        )
        periods = {period.period: period for period in days.values()}
        wanted = {line.period for line in lines} | set(compared_periods(state, readable))
        return Gathered(
            prepared=prepared,
            intake=intake,
            erased=await self._erased({(line.subject, line.generation) for line in lines}),
            subjects=await self._vault.subject_secrets(
                {one.inspection.subject for one in readable if one.inspection.subject is not None}
            ),
            days=days,
            periods={**periods, **await self._vault.find_periods(wanted - periods.keys())},
        )

    async def _catalogued(self, read: Iterable["_Read"]) -> Mapping[str, Known]:
        """What each version of the catalogue that the batch's policies name holds of its codes."""
        wanted: dict[str, set[str]] = {}
        for one in read:
            version = one.policy.quality.catalogue
            if version is not None:
                codes = wanted.setdefault(version, set())
                if isinstance(one.found, _Open) and isinstance(one.found.body, SubmissionBody):
                    codes.update(inspection.product_codes(one.found.body))
        return {version: await self._entries(version, codes) for version, codes in wanted.items()}

    async def _entries(self, version: str, codes: Collection[str]) -> Known:
        if not await self._catalogue.exists(version):
            raise CatalogueUnavailable(
                f"The quality policy names the catalogue {version}, which is not loaded: "
                "run dpp catalogue load."
            )
        return await self._catalogue.entries(version, codes)

    async def _erased(self, wanted: Collection[tuple[str, int]]) -> frozenset[tuple[str, int]]:
        found = await self._vault.find_subject_secrets(wanted)
        return frozenset(key for key, secret in found.items() if isinstance(secret, Shredded))

    def _read(self, submission: Submission, intake: Mapping[str, IntakeKey]) -> "_Read":
        policy = self._tables.policy("quality", submission.appended_at)
        world = _World(self._tables, self._sessions, intake, submission.appended_at)
        try:
            found = admission.admit(
                submission, world, lambda key: partition_for(key, self._partitions)
            )
            if isinstance(found, Barred):
                return _Read(policy, found)
            body = inspection.read(found.attributes.type, found.body, policy)
        except Exception as error:  # noqa: BLE001 - one submission must not stop its partition
            return _Read(policy, Unreadable(type(error).__name__))
        return _Read(policy, _Open(found, body))


@dataclass(frozen=True, slots=True)
class _Open:
    """An opened submission: its body, or the inspection that ended with the body's form."""

    opened: Opened
    body: SubmissionBody | Inspection


@dataclass(frozen=True, slots=True)
class _Read:
    """One submission as far as its bytes say, and the policy of its append time."""

    policy: PolicyVersion
    found: _Open | Barred | Unreadable


def _inspected(
    submission: Submission, read: _Read, known: Mapping[str, Known], pseudonym_key: bytes
) -> Prepared:
    policy, found = read.policy, read.found
    if not isinstance(found, _Open):
        return Prepared(policy, found)
    if isinstance(found.body, Inspection):
        return Prepared(policy, Readable(found.opened, found.body))
    try:
        inspected = inspection.inspect(
            found.body,
            policy=policy,
            appended_at=submission.appended_at,
            pseudonym_key=pseudonym_key,
            known=known.get(policy.quality.catalogue or ""),
        )
    except Exception as error:  # noqa: BLE001 - one submission must not stop its partition
        return Prepared(policy, Unreadable(type(error).__name__))
    return Prepared(policy, Readable(found.opened, inspected))


@dataclass(frozen=True, slots=True)
class _World:
    """`admission.World` over the broadcast tables, as of one append time."""

    tables: Tables
    sessions: Sessions
    intake: Mapping[str, IntakeKey]
    at: datetime

    def is_pharmacy(self, number: str) -> bool:
        entry = self.tables.publisher(number)
        if entry is None or entry.kind != "pharmacy" or entry.enrolled_at > self.at:
            return False
        return pharmacy.is_valid(number) and pharmacy.compact(number) == number

    def may_submit(self, number: str, event_type: str) -> bool:
        entry = self.tables.publisher(number)
        return entry is not None and publishers.may_submit(entry, event_type, self.at)

    def session(self, session: str) -> SessionView | None:
        return self.sessions.view(self.tables, session, self.intake, self.at)


def _known_lines(state: QualityState, batch: Iterable[Readable]) -> Iterable[LineState]:
    for readable in batch:
        for key in named_lines(readable):
            line = states.line_of(state, *key)
            if line is not None:
                yield line


def named_lines(readable: Readable) -> Iterable[LineKey]:
    """Every line of the pharmacy that a submission names, by a DGUID of any form."""
    number, body = readable.opened.attributes.pharmacy, readable.inspection.body
    if isinstance(body, RevokeBody):
        yield number, guid.compact(body.dguid)
    elif body is not None:
        for line in lines_of(body):
            yield number, guid.compact(line.dguid)
            if line.returns is not None:
                yield number, guid.compact(line.returns)


def compared_periods(state: QualityState, batch: Iterable[Readable]) -> Iterable[str]:
    """The days of every line that a return, or a correction of a delivery, is compared with."""
    for readable in batch:
        body, subject = readable.inspection.body, readable.inspection.subject
        if body is None or subject is None or isinstance(body, RevokeBody):
            continue
        if isinstance(body, CorrectBody) or any(line.returns for line in body.lines):
            held = states.held_by(state, readable.opened.attributes.pharmacy, subject)
            yield from (one.period for one in held)
