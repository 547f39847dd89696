"""The one declaration of the Kafka topics: names, keys, retention, and what each must be set to.

Source: DESIGN section 3. Partition counts never change after creation, because keys and the
stages' state depend on them; a submitted topic and its outputs have equally many.
"""

from dataclasses import dataclass
from typing import Final

DAY_MS: Final = 86_400_000
YEAR_MS: Final = 366 * DAY_MS
"""A year at its longest, so that nothing leaves early."""
FOREVER: Final = -1
LARGEST_SUBMISSION_BYTES: Final = 6 * 1024 * 1024
"""What the broker takes in. The stage refuses far less (48 KiB): a broker's refusal would leave
an oversize submission without the receipt that every submission gets."""
EMBEDDED_PARTITIONS: Final = 4


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: what its keys and values are, and how long a record is kept.

    `retention_ms` is in milliseconds, `FOREVER` keeps everything; `overrides` are further
    settings of the broker for this topic.
    """

    name: str
    key: str
    content: str
    retention_ms: int
    overrides: tuple[tuple[str, str], ...] = ()

    def config(self, replication: int) -> dict[str, str]:
        """The settings this topic must have when each partition is on `replication` brokers."""
        return {
            "cleanup.policy": "delete",
            "compression.type": "producer",
            "message.timestamp.type": "LogAppendTime",
            "min.insync.replicas": str(max(1, replication - 1)),
            "retention.bytes": "-1",
            "retention.ms": str(self.retention_ms),
            **dict(self.overrides),
        }


_SUBMITTED: Final = (
    # A day at most: an erased person's submissions end when their segment does.
    ("segment.ms", str(DAY_MS)),
    ("max.message.bytes", str(LARGEST_SUBMISSION_BYTES)),
)

PUBLISHER_REGISTERED: Final = Topic(
    "dpp.publisher.registered",
    "publisher id",
    "who may publish: enrolled, key added, key withdrawn, contract ended",
    FOREVER,
)
PUBLISHER_SESSIONS: Final = Topic(
    "dpp.publisher.sessions", "session id", "session opened", 45 * DAY_MS
)
DISPENSATION_SUBMITTED: Final = Topic(
    "dpp.dispensation.submitted", "pharmacy number", "sealed submissions", 30 * DAY_MS, _SUBMITTED
)
DISPENSATION_RECORDED: Final = Topic(
    "dpp.dispensation.recorded", "pharmacy number", "facts: one per line and version", FOREVER
)
DISPENSATION_RECEIPTS: Final = Topic(
    "dpp.dispensation.receipts",
    "key of the submission",
    "exactly one receipt per submission; sequence-gap notices; no patient data",
    FOREVER,
)
DISPENSATION_DEADLETTER: Final = Topic(
    "dpp.dispensation.deadletter",
    "as received",
    "bytes that belong to no known pharmacy or session, with reason and source",
    30 * DAY_MS,
    # A dead letter carries what was received.
    (("max.message.bytes", str(LARGEST_SUBMISSION_BYTES + 64 * 1024)),),
)
SUBJECT_SUBMITTED: Final = Topic(
    "dpp.subject.submitted",
    "subject pseudonym",
    "sealed registrations: consent, link, exclusion, mandate, identity merge, erasure",
    30 * DAY_MS,
    _SUBMITTED,
)
SUBJECT_REGISTERED: Final = Topic(
    "dpp.subject.registered", "subject pseudonym", "facts of the registrations", FOREVER
)
SUBJECT_RECEIPTS: Final = Topic(
    "dpp.subject.receipts", "subject pseudonym", "one receipt per registration", FOREVER
)
SUBJECT_NOTICES: Final = Topic(
    "dpp.subject.notices",
    "subject pseudonym",
    "what a patient should be told: consent changed, first or emergency access, mandate waiting",
    YEAR_MS,
)
ACCESS_AUDITED: Final = Topic(
    "dpp.access.audited",
    "subject pseudonym",
    "every access decision, permit or deny, and every audit read",
    10 * YEAR_MS,
)
POLICY_REGISTERED: Final = Topic(
    "dpp.policy.registered",
    "policy name",
    "versions of rules data, limits, product filter, access policy, with validity",
    FOREVER,
)
RECALL_NOTICES: Final = Topic(
    "dpp.recall.notices",
    "recall id",
    "recalls of products: opened and closed by an authority, acknowledged by pharmacies",
    FOREVER,
)
LOG_CHECKPOINTS: Final = Topic("dpp.log.checkpoints", "log origin", "signed checkpoints", FOREVER)

ALL_TOPICS: Final = (
    PUBLISHER_REGISTERED,
    PUBLISHER_SESSIONS,
    DISPENSATION_SUBMITTED,
    DISPENSATION_RECORDED,
    DISPENSATION_RECEIPTS,
    DISPENSATION_DEADLETTER,
    SUBJECT_SUBMITTED,
    SUBJECT_REGISTERED,
    SUBJECT_RECEIPTS,
    SUBJECT_NOTICES,
    ACCESS_AUDITED,
    POLICY_REGISTERED,
    RECALL_NOTICES,
    LOG_CHECKPOINTS,
)
