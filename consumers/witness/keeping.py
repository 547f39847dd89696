"""A witness's key and store, which belong together, in `DPP_DATA/witness`."""

from pathlib import Path
from typing import Final

from consumers.witness.store import WitnessStore, WitnessStoreBroken
from infra.settings import Settings
from streams.intake.keys import SigningKey
from streams.notary import notes
from streams.notary.notes import Verifier

_STORE: Final = "witness.sqlite"


def witness_key_path(settings: Settings) -> Path:
    """Where the witness's private key lies."""
    return settings.data / "witness" / "witness.key"


def opened_witness(settings: Settings) -> tuple[SigningKey, WitnessStore]:
    """Key and store, made together: a key without its store would cosign a second history.

    Raises:
        WitnessStoreBroken: there is a key, and what it has cosigned is lost.
        KeyFileError: the key file cannot be used.
    """
    key = witness_key_path(settings)
    key.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    kept = key.parent / _STORE
    if key.exists() and not kept.exists():
        raise WitnessStoreBroken(
            f"{kept} is lost, and with it what {key} has cosigned. Restore its newest copy, or "
            "begin anew with a new key in an empty folder, and tell the logs and auditors."
        )
    store = WitnessStore(kept)
    if not key.exists():
        SigningKey.generate("witness-1").save(key)
    return SigningKey.load(key), store


def witness_verifier(settings: Settings) -> Verifier:
    """The witness's public key, which logs and auditors pin; it is made if need be.

    Raises:
        WitnessStoreBroken, KeyFileError: as `opened_witness`.
    """
    key, _ = opened_witness(settings)
    return notes.verifier(settings.witness_name, key.private, notes.COSIGNATURE)
