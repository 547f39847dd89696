"""The first keys of an installation, and the facts by which everybody trusts them.

Idempotent: what exists is kept, what is missing is made and published. Keys are written before the
facts that name them, so a crash in between leaves nothing that trusts a lost key.
"""

import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from consumers.keys.log_keys import LogKeyFiles
from consumers.witness.keeping import witness_key_path
from infra.kafka import Producer, producer
from infra.keys.kek import create_kek_file
from infra.keys.opening import opened_vault
from infra.settings import Settings
from projections.broadcast import BroadcastTables
from schemas.keyvault import IntakeKey, RootKeyName
from schemas.publisher import (
    REGISTRAR,
    BackboneKeyPublished,
    Contract,
    Enrolled,
    PublisherFact,
)
from schemas.registrations import REGISTRATIONS
from schemas.sealing import b64encode
from schemas.sealing.office import OfficeKeys
from schemas.sealing.session import INTAKE_PRIVATE_BYTES, intake_public_bytes
from schemas.topics import PUBLISHER_REGISTERED
from streams.intake.keys import KeyFileError, SigningKey
from streams.intake.office import publisher_record
from streams.notary import notes
from streams.notary.directory import LogDirectory
from streams.notary.handover import HandoverInvalid, KeyAbsent, Signers, signers
from streams.notary.notes import Verifier
from streams.notary.opening import handovers_of


def office_key_path(settings: Settings) -> Path:
    """Where the office's private key lies."""
    return settings.data / "office" / "office.key"


def office_signing_key(settings: Settings) -> SigningKey:
    """The office's private key of now: the one whose public half is pinned for this time.

    Raises:
        KeyFileError: it is not in the office's folder.
        SettingsError: the pinned keys cannot be read.
    """
    if settings.office_public_key is None:
        return SigningKey.load(office_key_path(settings))
    pinned = settings.office_keys.at(datetime.now(UTC))
    folder = office_key_path(settings).parent
    for path in sorted(folder.glob("office*.key")):
        key = SigningKey.load(path)
        if key.public_bytes == pinned:
            return key
    raise KeyFileError(
        f"No file office*.key in {folder} holds the office's key of now: bring the one that "
        "DPP_OFFICE_PUBLIC_KEY names."
    )


def next_office_key(settings: Settings, since: datetime) -> OfficeKeys:
    """Makes the office's next private key, which signs from `since` on; what to pin from now on.

    Raises:
        KeyFileError: the office's present key is not here, or the file cannot be made.
        ValueError: another change is planned for that time or later.
    """
    present = office_signing_key(settings)
    folder = office_key_path(settings).parent
    number = len(list(folder.glob("office*.key"))) + 1
    key = SigningKey.generate(f"office-{number}")
    pinned = (
        OfficeKeys(present.public_bytes)
        if settings.office_public_key is None
        else settings.office_keys
    )
    extended = OfficeKeys.parse(f"{pinned},{b64encode(key.public_bytes)}@{since.isoformat()}")
    key.save(folder / f"office-{number}.key")
    return extended


def registrar_key_path(settings: Settings) -> Path:
    """Where the registrar's private key lies."""
    return settings.data / "office" / "registrar.key"


def kek_path(settings: Settings) -> Path:
    """Where the key-encryption key lies when the settings name no other place."""
    return settings.data / "keys" / "kek"


def log_key_path(settings: Settings) -> Path:
    """Where the log's private key lies when the settings name no other place."""
    return settings.log_key_file or settings.data / "keys" / "log.key"


def log_signers(settings: Settings) -> Signers:
    """The log's private keys here that sign it now: after the handovers that its folder shows.

    Raises:
        KeyFileError: a key file cannot be used, or the one that signs now is not here.
        LogUnavailable: the log's folder cannot be read.
    """
    first = log_key_path(settings)
    read = LogDirectory(settings.log_folder).read
    try:
        handovers = handovers_of(read, settings.log_origin)
        return signers(LogKeyFiles(first).held(), handovers)
    except (KeyAbsent, HandoverInvalid) as error:
        raise KeyFileError(f"The log's keys at {first} cannot be used: {error}.") from None


def log_verifier(settings: Settings) -> Verifier:
    """The public key that the log's checkpoints carry now, under its name.

    Raises:
        KeyFileError, LogUnavailable: as `log_signers`.
    """
    return notes.verifier(settings.log_origin, log_signers(settings).ruling)


def first_keys(settings: Settings) -> Settings:
    """Makes the key files that are missing, and answers settings that point to them.

    Raises:
        KeyFileError: a key file exists but cannot be used.
    """
    office = _load_or_make(office_key_path(settings), "office-1")
    _load_or_make(registrar_key_path(settings), "registrar-1")
    LogKeyFiles(log_key_path(settings)).make_first()
    update: dict[str, object] = {
        "office_public_key": _pinned(settings, office),
        "log_key_file": log_key_path(settings),
    }
    if settings.kek is None and settings.kek_file is None:
        if not kek_path(settings).exists():
            kek_path(settings).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            create_kek_file(kek_path(settings))
        update["kek_file"] = kek_path(settings)
    return settings.model_copy(update=update)


def _pinned(settings: Settings, office: SigningKey) -> str:
    """What the setting says, if it knows the key in this folder; else that key alone."""
    given = settings.office_public_key
    if given is not None and office.public_bytes in settings.office_keys.every:
        return given
    return b64encode(office.public_bytes)


async def init_office(settings: Settings) -> list[str]:
    """Publishes what the office has not stated yet; answers a sentence for each new fact.

    `settings` come from `first_keys`; topics and databases must exist.
    """
    office = office_signing_key(settings)
    async with opened_vault(settings, maximum=2, listening=False) as vault:
        for name in get_args(RootKeyName):
            await vault.root_key(name)
        intake = await vault.intake_keys()
        if not intake:
            raw = secrets.token_bytes(INTAKE_PRIVATE_BYTES)
            await vault.put_intake_key(IntakeKey(f"intake-{secrets.token_hex(4)}", raw))
            intake = await vault.intake_keys()
    tables = BroadcastTables(settings, settings.office_keys)
    await tables.start()
    try:
        await tables.catch_up()
        facts = [
            *_intake_facts(tables, intake.values()),
            *log_facts(tables, settings),
            *_witness_facts(tables, settings),
            *_registrar_facts(tables, settings),
        ]
    finally:
        await tables.stop()
    async with producer(settings) as sender:
        return [await publish(sender, office, fact) for fact in facts]


def _intake_facts(tables: BroadcastTables, keys: Iterable[IntakeKey]) -> list[PublisherFact]:
    published = {key.key_id for key in tables.backbone_keys("intake")}
    return [
        BackboneKeyPublished(
            key_id=key.key_id,
            purpose="intake",
            public_key=b64encode(intake_public_bytes(key.private_key)),
        )
        for key in keys
        if key.key_id not in published
    ]


def log_facts(tables: BroadcastTables, settings: Settings) -> list[PublisherFact]:
    """The keys of the log that the office has not stated yet."""
    stated = {one.fact.key_id for one in tables.backbone_key_lives("log")}
    return [
        BackboneKeyPublished(
            key_id=key.key_id, purpose="log", public_key=b64encode(key.public_bytes)
        )
        for key in LogKeyFiles(log_key_path(settings)).load()
        if key.key_id not in stated
    ]


def _witness_facts(tables: BroadcastTables, settings: Settings) -> list[PublisherFact]:
    """The key of a witness of our own, if there is one here."""
    path = witness_key_path(settings)
    key = SigningKey.load(path) if path.exists() else None
    if key is None or tables.backbone_key_lives("witness"):
        return []
    public = b64encode(key.public_bytes)
    return [BackboneKeyPublished(key_id=key.key_id, purpose="witness", public_key=public)]


def _registrar_facts(tables: BroadcastTables, settings: Settings) -> list[PublisherFact]:
    if tables.publisher(REGISTRAR) is not None:
        return []
    key = SigningKey.load(registrar_key_path(settings))
    contract = Contract(event_types=tuple(REGISTRATIONS), valid_from=datetime.now(UTC))
    return [
        Enrolled(
            publisher=REGISTRAR,
            publisher_kind="registrar",
            key=key.enrolment(REGISTRAR),
            contract=contract,
        )
    ]


async def publish(sender: Producer, office: SigningKey, fact: PublisherFact) -> str:
    """Appends a fact that the office signs; answers a sentence about it."""
    record = publisher_record(office, fact, datetime.now(UTC))
    await sender.send(
        PUBLISHER_REGISTERED.name, record.value, key=record.key, headers=record.headers
    )
    return f"{type(fact).__name__} {record.key.decode()}"


def _load_or_make(path: Path, key_id: str) -> SigningKey:
    if not path.exists():
        SigningKey.generate(key_id).save(path)
    return SigningKey.load(path)
