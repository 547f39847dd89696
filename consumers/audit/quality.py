"""The quality stage as an audit derives it again."""

from typing import Final

from consumers.audit.keys import ReadingVault, is_locked
from consumers.audit.report import Reason
from schemas import topics
from schemas.catalogue import Catalogue
from schemas.keyvault import DestroyedPeriod, KeyReader
from streams.engine.stage import Submission
from streams.quality.admission import Barred
from streams.quality.decide import DECIDER_VERSION
from streams.quality.gathered import Gathered, Readable
from streams.quality.stage import QualityStage, compared_periods, named_lines
from streams.quality.state import QualityState, line_of
from streams.sessions import Tables


class QualityAudit:
    """`consumers.audit.rederive.Auditable` of pharmacies' submissions.

    Args:
        tables: caught up; publishers, sessions and policies as of each append time.
        reader: the backbone's own key vault.
        catalogue: every version that a policy of the window names.
        partitions: count of the submitted topic.
    """

    submitted: Final = topics.DISPENSATION_SUBMITTED.name
    decider_version: Final = DECIDER_VERSION
    letters: Final = topics.DISPENSATION_DEADLETTER.name

    def __init__(
        self, tables: Tables, reader: KeyReader, catalogue: Catalogue, partitions: int
    ) -> None:
        self._tables = tables
        self._vault = ReadingVault(reader)
        self.stage: Final = QualityStage(tables, self._vault, catalogue, partitions)

    def beyond_keys(
        self, state: QualityState, submission: Submission, gathered: Gathered
    ) -> Reason | None:
        """Why the outputs cannot be derived any more, if keys are the reason."""
        found = gathered.prepared[submission.offset].found
        if isinstance(found, Barred):
            locked = is_locked(self._tables, self._vault, submission)
            return "intake_key_destroyed" if locked else None
        if not isinstance(found, Readable):
            return None
        subject, day = found.inspection.subject, found.inspection.day
        known = [line_of(state, *key) for key in named_lines(found)]
        if subject in self._vault.erased or any(gathered.is_erased(line) for line in known):
            return "subject_erased"
        named = {line.period for line in known if line is not None}
        named.update(compared_periods(state, [found]))
        periods = [gathered.periods.get(period) for period in named]
        periods += [gathered.days.get(day)] if day is not None else []
        if any(isinstance(period, DestroyedPeriod) for period in periods):
            return "period_destroyed"
        unknown = self._vault.unknown
        return "key_unknown" if subject in unknown or day in unknown else None
