"""Every event type of the contract with its model, its topic and its schema revision.

A revision's JSON Schemas never change once published. Adding an optional member makes the next
revision: bump it here and run `dpp schemas generate`. A change that old readers or old events could
not bear needs a new major version in the type's name.
"""

from typing import Final

from schemas import (
    audit,
    dispensation,
    policy,
    publisher,
    recall,
    receipts,
    registrations,
    subject,
    topics,
)
from schemas.model import Model

_BY_TOPIC: Final[dict[str, dict[str, type[Model]]]] = {
    topics.DISPENSATION_SUBMITTED.name: {**dispensation.SUBMISSION_BODIES},
    topics.DISPENSATION_RECORDED.name: {**dispensation.RECORD_FACTS},
    topics.DISPENSATION_RECEIPTS.name: {
        receipts.RECEIPT: receipts.Receipt,
        receipts.GAP_NOTICED: receipts.GapNoticed,
        receipts.GAP_CLOSED: receipts.GapClosed,
    },
    topics.SUBJECT_SUBMITTED.name: {**registrations.REGISTRATIONS},
    topics.SUBJECT_REGISTERED.name: {**subject.SUBJECT_FACTS},
    topics.SUBJECT_RECEIPTS.name: {receipts.SUBJECT_RECEIPT: receipts.Receipt},
    topics.SUBJECT_NOTICES.name: {subject.NOTICE: subject.Notice},
    topics.PUBLISHER_REGISTERED.name: {**publisher.PUBLISHER_FACTS},
    topics.PUBLISHER_SESSIONS.name: {publisher.SESSION_OPENED: publisher.SessionOpened},
    topics.POLICY_REGISTERED.name: {policy.POLICY_REGISTERED: policy.PolicyVersion},
    topics.RECALL_NOTICES.name: {**recall.RECALL_EVENTS},
    topics.ACCESS_AUDITED.name: {
        audit.ACCESS_DECIDED: audit.AccessDecided,
        audit.PHARMACY_REVEALED: audit.PharmacyRevealed,
        audit.EMERGENCY_DECIDED: audit.EmergencyDecided,
        audit.OPERATIONS_READ: audit.OperationsRead,
        audit.AUDIT_READ: audit.AuditRead,
        audit.LOG_READ: audit.LogRead,
        audit.LOG_AUDITED: audit.LogAudited,
        audit.REGISTRATIONS_READ: audit.RegistrationsRead,
    },
}

SEALED_CONTENTS: Final[dict[str, type[Model]]] = {
    "be.dpp.sealed.line-content.v1": dispensation.LineContent,
    "be.dpp.sealed.revocation-content.v1": dispensation.RevocationContent,
    "be.dpp.sealed.subject-content.v1": subject.SubjectContent,
    "be.dpp.sealed.erasure-content.v1": subject.ErasureContent,
    "be.dpp.sealed.reader-identity.v1": audit.ReaderIdentity,
    "be.dpp.sealed.request-parameters.v1": audit.RequestParameters,
    "be.dpp.sealed.operations-content.v1": audit.OperationsContent,
}
"""What `sealed` members hold once opened; they are as frozen as the events around them."""


def by_topic() -> dict[str, dict[str, type[Model]]]:
    """Topic name -> event type -> model."""
    return {topic: dict(models) for topic, models in _BY_TOPIC.items()}


def all_models() -> dict[str, type[Model]]:
    """Event type or sealed content -> model."""
    events = {name: model for models in _BY_TOPIC.values() for name, model in models.items()}
    return {**events, **SEALED_CONTENTS}
