"""The subject stage for the engine: gathers publishers, sessions, secrets and policy, then decides.

Only the registrar submits here; whoever else does gets a rejection receipt. There are no dead
letters: the submission itself stays as long as one would.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from projections.folds.publishers import may_submit
from schemas import topics
from schemas.keyvault import IntakeKey, KeyVault, SubjectSecret
from schemas.publisher import REGISTRAR
from streams.engine.stage import Headers, Output, Submission
from streams.engine.tables import StateTables
from streams.sessions import Sessions, Tables
from streams.subject import admission, outcome
from streams.subject.admission import Opened, Sender
from streams.subject.outcome import Case
from streams.subject.state import FOLD, PartitionState


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a batch needs from outside, by offset."""

    pseudonym_key: bytes = field(repr=False)
    cases: dict[int, Case]


class SubjectStage:
    """`streams.engine.stage.Stage` of consents, links, exclusions and mandates."""

    name: Final = outcome.STAGE
    submitted: Final = topics.SUBJECT_SUBMITTED.name
    outputs: Final = (outcome.FACTS, outcome.RECEIPTS)
    receipts: Final = outcome.RECEIPTS

    def __init__(self, tables: Tables, vault: KeyVault, partitions: int) -> None:
        self._tables = tables
        self._vault = vault
        self._partitions = partitions
        self._sessions = Sessions()

    @property
    def fold(self) -> str:
        """Version of what is remembered."""
        return FOLD

    def initial(self, tables: StateTables) -> PartitionState:
        """The state in these tables; nobody is known in empty ones."""
        return PartitionState(tables)

    def evolve(
        self,
        state: PartitionState,
        topic: str,  # noqa: ARG002 - the type tells a fact from a receipt
        key: bytes | None,  # noqa: ARG002 - a fact names its subject itself
        headers: Headers,
        value: bytes | None,
    ) -> None:
        """Folds one fact or receipt into the state.

        Raises:
            ValueError: the output is none of this stage's, so the state would be wrong.
        """
        state.apply(headers, value)

    async def gather(self, state: PartitionState, batch: Sequence[Submission]) -> Gathered:  # noqa: ARG002 - the engine's signature
        """Tables past the batch, session keys, and a secret for each subject of an opened seal.

        Raises:
            VaultUnavailable: the vault does not answer.
            BrokerUnavailable: the tables cannot catch up.
        """
        await self._tables.catch_up()
        intake = await self._vault.intake_keys()
        senders = {one.offset: self._sender(one, intake) for one in batch}
        subjects = {one.offset: self._subject(one, senders[one.offset]) for one in batch}
        wanted = {subject for subject in subjects.values() if subject is not None}
        secrets = await self._vault.subject_secrets(wanted) if wanted else {}
        cases = {
            one.offset: self._case(
                one, senders[one.offset], secrets.get(subjects[one.offset] or "")
            )
            for one in batch
        }
        return Gathered(await self._vault.root_key("pseudonym"), cases)

    def decide(
        self, state: PartitionState, submission: Submission, gathered: Gathered
    ) -> tuple[Output, ...]:
        """At most one fact, then the receipt."""
        case = gathered.cases[submission.offset]
        return outcome.answer(state, submission, case, gathered.pseudonym_key, self._partitions)

    def undecidable(self, submission: Submission, error_type: str) -> tuple[Output, ...]:
        """The receipt of a submission on which `decide` failed."""
        return outcome.undecidable(submission, error_type)

    def _case(self, submission: Submission, sender: Sender, secret: SubjectSecret | None) -> Case:
        return Case(sender, self._tables.policy("access", submission.appended_at), secret)

    def _subject(self, submission: Submission, sender: Sender) -> str | None:
        """Only a submission whose seal opens may make the vault create a secret."""
        opened = admission.admit(submission, sender, self._partitions)
        return opened.subject if isinstance(opened, Opened) else None

    def _sender(self, submission: Submission, intake: Mapping[str, IntakeKey]) -> Sender:
        at = submission.appended_at
        registrar = self._tables.publisher(REGISTRAR)
        if registrar is None or registrar.kind != REGISTRAR or registrar.enrolled_at > at:
            registrar = None
        type_ = admission.event_type(submission) or ""
        allowed = registrar is not None and may_submit(registrar, type_, at)
        name = admission.session_id(submission)
        session = None if name is None else self._sessions.view(self._tables, name, intake, at)
        return Sender(registrar is not None, allowed, session)
