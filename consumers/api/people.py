"""Names behind pseudonyms, opened for those who may know them: parties, authors and readers."""

from collections.abc import Collection, Mapping, Sequence

from pydantic import BaseModel, ValidationError

from projections.queries import AccessLogRow
from projections.registered import RegistrationRow
from schemas.audit import ACCESS_DECIDED, ReaderIdentity, RequestParameters
from schemas.keyvault import KeyVault, SubjectSecret
from schemas.registrations import Party
from schemas.sealing import SealBroken
from schemas.sealing.facts import access_associated_data, access_keys, unseal
from schemas.subject import SubjectContent


class PersonView(BaseModel):
    """Somebody by kind and number, and by name where one was given."""

    kind: str
    number: str | None = None
    """Absent where it is not the reader's to know."""
    name: str | None = None


def person(party: Party | None) -> PersonView | None:
    """How a party is shown."""
    if party is None:
        return None
    return PersonView(kind=party.party_kind, number=party.number, name=party.name)


async def open_contents(
    vault: KeyVault, rows: Sequence[RegistrationRow]
) -> Mapping[str, SubjectContent]:
    """What facts sealed, by `ce_id`; one whose key is gone is left out."""
    if not rows:
        return {}
    secrets = await vault.find_subject_secrets({(row.subject, row.generation) for row in rows})
    found: dict[str, SubjectContent] = {}
    for row in rows:
        secret = secrets.get((row.subject, row.generation))
        if isinstance(secret, SubjectSecret):
            content = _content(row, secret)
            if content is not None:
                found[row.ce_id] = content
    return found


def _content(row: RegistrationRow, secret: SubjectSecret) -> SubjectContent | None:
    associated = access_associated_data(
        type_=row.event_type, subject=row.subject, generation=row.generation
    )
    try:
        keys = access_keys(secret.secret, "access")
        return SubjectContent.read(unseal(keys, row.ce_id, associated, row.sealed))
    except (SealBroken, ValidationError):
        return None


async def open_readers(
    vault: KeyVault, rows: Collection[AccessLogRow]
) -> Mapping[str, ReaderIdentity]:
    """Who asked, by `ce_id` of the decision; one that does not open is left out."""
    if not rows:
        return {}
    secrets = await vault.reader_secrets({row.reader for row in rows})
    found: dict[str, ReaderIdentity] = {}
    for row in rows:
        identity = _reader(row, secrets[row.reader])
        if identity is not None:
            found[row.ce_id] = identity
    return found


def _reader(row: AccessLogRow, secret: SubjectSecret) -> ReaderIdentity | None:
    associated = access_associated_data(
        type_=ACCESS_DECIDED, subject=secret.subject, generation=secret.generation
    )
    try:
        keys = access_keys(secret.secret, "reader")
        return ReaderIdentity.read(unseal(keys, row.ce_id, associated, row.sealed_reader))
    except (SealBroken, ValidationError):
        return None


async def open_parameters(
    vault: KeyVault, rows: Collection[AccessLogRow]
) -> Mapping[str, RequestParameters]:
    """What was asked, by `ce_id` of the decision; what was erased is left out."""
    wanted = {(r.subject, r.generation) for r in rows}
    named = {(subject, number) for subject, number in wanted if subject and number}
    secrets = await vault.find_subject_secrets(named) if named else {}
    found: dict[str, RequestParameters] = {}
    for row in rows:
        secret = secrets.get((row.subject or "", row.generation or 0))
        if isinstance(secret, SubjectSecret) and row.sealed_parameters is not None:
            parameters = _parameters(row.ce_id, row.sealed_parameters, secret)
            if parameters is not None:
                found[row.ce_id] = parameters
    return found


def _parameters(ce_id: str, sealed: str, secret: SubjectSecret) -> RequestParameters | None:
    associated = access_associated_data(
        type_=ACCESS_DECIDED, subject=secret.subject, generation=secret.generation
    )
    try:
        keys = access_keys(secret.secret, "access")
        return RequestParameters.read(unseal(keys, ce_id, associated, sealed))
    except (SealBroken, ValidationError):
        return None
