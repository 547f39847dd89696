"""The publisher SDK: how pharmacy software puts dispensations into the record.

The idea: a submission is safe on the pharmacy's disk, numbered, before anything else happens. From
there it goes out sealed, in order, as soon as there is a network, and comes back as a receipt. So
the counter never waits for the backbone, and nothing that was registered is lost or doubled.

    key = SigningKey.load(Path("publisher.key"))
    transport = connect_http("https://api.example.be", NUMBER, key, office_public_key=OFFICE)
    outbox = Outbox(Path("outbox.sqlite"), NUMBER, key)
    with PlainPublisher(Publisher(NUMBER, key, outbox, transport)) as publisher:
        publisher.register(visit)       # on disk: the counter may go on
        publisher.flush()               # sent, or left for the next flush
        for letter in publisher.receipts():
            print(letter.entry, letter.effect, letter.answer)

`Publisher` is the same for software that uses asyncio; `connect_kafka` writes straight to the
topics.

What you make:
    `SigningKey` (the pharmacy's Ed25519 key), `Outbox` (the file of what waits), a way to the
    backbone (`connect_http`, `connect_kafka`), and `Publisher` or `PlainPublisher` over the three.

What you send, one visit of one patient each:
    `RegisterBody` of `SubmittedLine`s, `CorrectBody` of `CorrectedLine`s, `RevokeBody` of one line;
    in them `SubmittedPatient`, one of `MedicinalProduct`, `MagistralPreparation` (of `Compound`s)
    and `UnregisteredProduct`, and `Posology`, `Regimen`, `Prescription`. At most `MAX_LINES` lines
    and `MAX_SUBMISSION_BYTES` bytes. Times carry an offset; identifiers are text, and whether they
    are right is for the receipt to say.

What comes back:
    `Flushed` says what was sent, `Status` where everything stands, `Answered` is one letter: its
    `answer` is a `Receipt` (of `LineOutcome`s and `Issue`s; a duplicate's has its `Original`) or a
    notice of missing numbers (`GapNoticed`, `GapClosed`), its `effect` (`Effect`) is what it did to
    the outbox: `answered`, `repeated`, `sent_again`, `held`, `notice` or `unknown`. `BEGINNING` is
    the cursor before every letter. `Entry` and `Tracked` are submissions in the outbox, `State`
    where one stands, `SubmissionRef` where a receipt's submission stands in the log.

What is raised:
    `SubmissionTooLarge`, `OutboxError`, `KeyFileError`: nothing was stored; the text says what to
    do. `TransportUnavailable`: try again later. `TransportRefused`: somebody must act.
    `PlainPublisherClosed`: open another one.

For a way of your own:
    `Transport` is the port, `HttpTransport` and `KafkaTransport` implement it, `RecordSender` is
    what the latter needs of a Kafka client (which answers a `SentRecord`); `WireRecord`, `Place`,
    `Page`, `Letter` and `Answer` pass through.

The models of bodies and receipts are part of the contract (`schemas`) and re-exported. A guide for
vendors is in `docs/vendors/publishing.md`; how to check software against it, in
`docs/vendors/conformance.md`; every code of a receipt, in `docs/quality-codes.md`.
"""

from schemas.dispensation import (
    MAX_LINES,
    MAX_SUBMISSION_BYTES,
    Compound,
    CorrectBody,
    CorrectedLine,
    MagistralPreparation,
    MedicinalProduct,
    Posology,
    Prescription,
    Regimen,
    RegisterBody,
    RevokeBody,
    SubmittedLine,
    SubmittedPatient,
    UnregisteredProduct,
)
from schemas.receipts import (
    GapClosed,
    GapNoticed,
    Issue,
    LineOutcome,
    Original,
    Receipt,
    SubmissionRef,
)
from streams.intake.http_transport import HttpTransport, connect_http
from streams.intake.kafka_transport import KafkaTransport, RecordSender, SentRecord, connect_kafka
from streams.intake.keys import KeyFileError, SigningKey
from streams.intake.outbox import Entry, Outbox, OutboxError, State, Tracked
from streams.intake.plain import PlainPublisher, PlainPublisherClosed
from streams.intake.publisher import (
    BEGINNING,
    Answered,
    Flushed,
    Publisher,
    Status,
    SubmissionTooLarge,
)
from streams.intake.session import WireRecord
from streams.intake.settling import Effect
from streams.intake.transports import (
    Answer,
    Letter,
    Page,
    Place,
    Transport,
    TransportRefused,
    TransportUnavailable,
)

__all__ = [
    "BEGINNING",
    "MAX_LINES",
    "MAX_SUBMISSION_BYTES",
    "Answer",
    "Answered",
    "Compound",
    "CorrectBody",
    "CorrectedLine",
    "Effect",
    "Entry",
    "Flushed",
    "GapClosed",
    "GapNoticed",
    "HttpTransport",
    "Issue",
    "KafkaTransport",
    "KeyFileError",
    "Letter",
    "LineOutcome",
    "MagistralPreparation",
    "MedicinalProduct",
    "Original",
    "Outbox",
    "OutboxError",
    "Page",
    "Place",
    "PlainPublisher",
    "PlainPublisherClosed",
    "Posology",
    "Prescription",
    "Publisher",
    "Receipt",
    "RecordSender",
    "Regimen",
    "RegisterBody",
    "RevokeBody",
    "SentRecord",
    "SigningKey",
    "State",
    "Status",
    "SubmissionRef",
    "SubmissionTooLarge",
    "SubmittedLine",
    "SubmittedPatient",
    "Tracked",
    "Transport",
    "TransportRefused",
    "TransportUnavailable",
    "UnregisteredProduct",
    "WireRecord",
    "connect_http",
    "connect_kafka",
]
