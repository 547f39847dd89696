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
topics. The bodies' models and the receipts' are part of the contract (`schemas`) and re-exported.
A guide for vendors is in `docs/vendors/publishing.md`.
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
