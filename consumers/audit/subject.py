"""The subject stage as an audit derives it again.

The stage trusts the registrar for the authentication of authors, and so does the audit: what a
token said stands in the fact, and nobody can derive it from the log.
"""

from typing import Final

from consumers.audit.keys import ReadingVault, is_locked
from consumers.audit.report import Reason
from schemas import topics
from schemas.keyvault import KeyReader
from streams.engine.stage import Submission
from streams.sessions import Tables
from streams.subject import admission
from streams.subject.outcome import DECIDER_VERSION
from streams.subject.stage import Gathered, SubjectStage
from streams.subject.state import PartitionState


class SubjectAudit:
    """`consumers.audit.rederive.Auditable` of registrations.

    Args:
        tables: caught up; publishers, sessions and policies as of each append time.
        reader: the backbone's own key vault.
        partitions: count of the submitted topic.
    """

    submitted: Final = topics.SUBJECT_SUBMITTED.name
    decider_version: Final = DECIDER_VERSION
    letters: Final = None

    def __init__(self, tables: Tables, reader: KeyReader, partitions: int) -> None:
        self._tables = tables
        self._vault = ReadingVault(reader)
        self.stage: Final = SubjectStage(tables, self._vault, partitions)

    def beyond_keys(
        self,
        state: PartitionState,  # noqa: ARG002 - the audit's signature
        submission: Submission,
        gathered: Gathered,
    ) -> Reason | None:
        """Why the outputs cannot be derived any more, if keys are the reason."""
        subject = admission.subject_of(submission)
        if gathered.cases[submission.offset].secret is None:
            locked = is_locked(self._tables, self._vault, submission)
            return "intake_key_destroyed" if locked else None
        if subject in self._vault.erased:
            return "subject_erased"
        return "key_unknown" if subject in self._vault.unknown else None
