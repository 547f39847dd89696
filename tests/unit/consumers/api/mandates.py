"""A mandate in the record."""

from datetime import timedelta

from projections.registered import RegistrationRow
from schemas.registrations import Author, Party
from schemas.subject import SubjectContent
from tests.unit.consumers.api.cast import ISSUER, NOW


def mandate_row(subject: str, holder: str, *, accepted: bool = True) -> RegistrationRow:
    """A mandate to `holder`, whose sealed content `add_registration` fills in."""
    return RegistrationRow(
        kind="mandate",
        id="mandate-0001",
        subject=subject,
        generation=1,
        ce_id="subject/0/5/0",
        event_type="be.dpp.subject.mandate-granted.v1",
        recorded_at=NOW - timedelta(days=3),
        author_role="patient",
        author=subject,
        sealed="",
        party=holder,
        party_kind="citizen",
        variety="prescription",
        valid_from=None,
        valid_until=None,
        accepted_at=NOW - timedelta(days=2) if accepted else None,
        ended_at=None,
    )


def granted_by(number: str, holder: str, name: str) -> SubjectContent:
    """What the fact of a mandate seals."""
    return SubjectContent(
        author=Author(
            role="patient",
            person=Party(party_kind="citizen", number=number, name=name),
            token_issuer=ISSUER,
            token_id="t",
        ),
        party=Party(party_kind="citizen", number=holder),
    )
