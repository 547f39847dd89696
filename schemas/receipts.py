"""What the backbone answers to every submission, and notices of missing sequence numbers.

A receipt holds no patient data: codes, JSON paths (RFC 6901) into the body as submitted, and the
pharmacy's own line identities. Exactly one receipt exists per offset of a submitted topic.
"""

from typing import Annotated, Final, Literal

from pydantic import Field

from schemas.model import Base64Url, Instant, Model, ShortText

RECEIPT: Final = "be.dpp.dispensation.receipted.v1"
GAP_NOTICED: Final = "be.dpp.dispensation.gap-noticed.v1"
GAP_CLOSED: Final = "be.dpp.dispensation.gap-closed.v1"
SUBJECT_RECEIPT: Final = "be.dpp.subject.receipted.v1"

Severity = Literal["reject", "warn"]
Scope = Literal["message", "line"]
FaultClass = Literal["FUNCTIONAL", "TECHNICAL"]
Outcome = Literal["accepted", "partial", "rejected", "duplicate"]
LineResult = Literal["recorded", "rejected", "duplicate", "erased"]
Count = Annotated[int, Field(ge=0)]


class Issue(Model):
    """One finding. FUNCTIONAL: the pharmacy must act; TECHNICAL: submit again."""

    code: ShortText
    severity: Severity
    scope: Scope
    fault_class: Annotated[FaultClass, Field(alias="class")]
    path: Annotated[str, Field(max_length=256)]
    """RFC 6901 pointer into the body as submitted; empty for the whole message."""
    hint: ShortText | None = None


class LineOutcome(Model):
    """What became of one line; `version` is the current one, in a refusal of a stale one too."""

    path: Annotated[str, Field(max_length=256)]
    dguid: ShortText | None = None
    outcome: LineResult
    version: Annotated[int, Field(ge=1)] | None = None
    score: Annotated[int, Field(ge=0, le=100)] | None = None
    issues: tuple[Issue, ...] = ()


class SubmissionRef(Model):
    """Which submission: its place in the log and, where they could be trusted, its attributes.

    `id`, `sequence`, `epoch` and `digest` are present once the seal has shown that the publisher
    wrote them; the stage's memory of used numbers is a fold of these members.
    """

    partition: Count
    offset: Count
    appended_at: Instant
    id: ShortText | None = None
    source: ShortText | None = None
    type: ShortText | None = None
    session: ShortText | None = None
    sequence: Annotated[int, Field(ge=1)] | None = None
    epoch: ShortText | None = None
    digest: Base64Url | None = None


class Original(Model):
    """The earlier receipt that a duplicate is answered with."""

    offset: Count
    outcome: Outcome
    issues: tuple[Issue, ...] = ()
    lines: tuple[LineOutcome, ...] = ()


class Receipt(Model):
    """The outcome of one submission; the same form serves both stages."""

    outcome: Outcome
    submission: SubmissionRef
    issues: tuple[Issue, ...] = ()
    lines: tuple[LineOutcome, ...] = ()
    facts: tuple[ShortText, ...] = ()
    """`ce_id` of each fact that the submission became."""
    original: Original | None = None
    dead_letter: bool = False


class GapNoticed(Model):
    """Sequence numbers `first` to `last` of an epoch were passed over."""

    publisher: ShortText
    epoch: ShortText
    first: Annotated[int, Field(ge=1)]
    last: Annotated[int, Field(ge=1)]


class GapClosed(Model):
    """A number of a noticed gap arrived."""

    publisher: ShortText
    epoch: ShortText
    number: Annotated[int, Field(ge=1)]
