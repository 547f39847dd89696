"""Pages of a search as a Bundle, which says on what it rests: positions, as-of time, freshness."""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from consumers.api.fhir import systems
from consumers.api.fhir.datatypes import CodeableConcept, Coding, Extension, Meta
from consumers.api.fhir.resources import (
    AuditEvent,
    Bundle,
    BundleEntry,
    BundleLink,
    Consent,
    MedicationDispense,
    OperationOutcome,
    OutcomeIssue,
    SearchMode,
)
from schemas.audit import PositionUsed

Found = MedicationDispense | AuditEvent | Consent
_NAMES: Final = uuid.UUID("6f4b8a52-6a5e-4a34-9f0e-5d1c36cbb7c9")
"""Namespace of the names that entries get; they are no addresses, since nothing is read by id."""


def bundle(
    found: Iterable[Found],
    *,
    links: Sequence[BundleLink],
    as_of: datetime,
    policy_version: str,
    positions: Sequence[PositionUsed],
    behind: int | None = None,
    unreadable: int = 0,
) -> Bundle:
    """One page."""
    entries = [_match(one) for one in found]
    if unreadable:
        entries.append(_left_out(unreadable))
    name = uuid.uuid5(_NAMES, f"{as_of.isoformat()}/{links[0].url}")
    return Bundle(
        id=str(name),
        meta=Meta(
            last_updated=as_of,
            extension=(_basis(as_of, policy_version, positions, behind),),
        ),
        link=tuple(links),
        entry=tuple(entries) or None,
    )


def _match(found: Found) -> BundleEntry:
    version = found.meta.version_id if isinstance(found, MedicationDispense) else None
    name = uuid.uuid5(_NAMES, f"{found.resource_type}/{found.id}/{version or ''}")
    return BundleEntry(full_url=f"urn:uuid:{name}", resource=found, search=SearchMode(mode="match"))


def _left_out(unreadable: int) -> BundleEntry:
    remark = OperationOutcome(
        issue=(
            OutcomeIssue(
                severity="information",
                code="informational",
                details=CodeableConcept(
                    coding=(Coding(system=f"{systems.OWN}/remarks", code="unreadable"),),
                    text="Lines were left out because their key is gone.",
                ),
                diagnostics=str(unreadable),
            ),
        )
    )
    return BundleEntry(
        full_url=f"urn:uuid:{uuid.uuid5(_NAMES, f'unreadable/{unreadable}')}",
        resource=remark,
        search=SearchMode(mode="outcome"),
    )


def _basis(
    as_of: datetime, policy_version: str, positions: Sequence[PositionUsed], behind: int | None
) -> Extension:
    inner = [
        Extension(url="asOf", value_instant=as_of),
        Extension(url="policyVersion", value_string=policy_version),
    ]
    if behind is not None:
        inner.append(Extension(url="behind", value_integer=behind))
    inner += [_position(one) for one in positions]
    return Extension(url=f"{systems.OWN}/read-basis", extension=tuple(inner))


def _position(used: PositionUsed) -> Extension:
    return Extension(
        url="position",
        extension=(
            Extension(url="projection", value_string=used.projection),
            Extension(url="topic", value_string=used.topic),
            Extension(url="partition", value_integer=used.partition),
            Extension(url="offset", value_string=str(used.position)),
        ),
    )
