"""Every known answer in `docs/vendors/vectors` is what the code computes: no form may change.

The vectors were made by code that shares nothing with `schemas`, from the primitives alone.
"""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas import canonical
from schemas.envelope import Headers
from schemas.publisher import SessionOpened
from schemas.sealing import b64decode, b64encode, facts, office, pseudonym, session, submission

FOLDER: Final = Path(__file__).parents[3] / "docs" / "vendors" / "vectors"
FILES: Final = {
    "canonical": {"length_prefixed", "canonical_json"},
    "pseudonyms": {"subject_pseudonym", "party_pseudonym", "blind_index"},
    "session": {
        *("intake_public_key", "session_info", "session_signed_material"),
        *("session_signature", "session_key"),
    },
    "submission": {"submission_associated_data", "submission_seal"},
    "facts": {
        *("record_keys", "record_associated_data", "access_keys", "access_associated_data"),
        *("fact_seal", "line_digest", "message_digest", "unnamed_digest"),
    },
    "office": {
        *("enrolment_material", "enrolment_proof"),
        *("office_signed_material", "office_signature"),
    },
}

Members = dict[str, Any]
_hex = bytes.fromhex


def _headers(given: Members) -> Headers:
    return [(name, value.encode()) for name, value in given["headers"]]


def _length_prefixed(given: Members) -> Members:
    parts = tuple(_hex(part) for part in given["parts_hex"])
    made = canonical.lp(*parts)
    assert canonical.unlp(made) == parts
    return {"bytes_hex": made.hex()}


def _canonical_json(given: Members) -> Members:
    return {"text": canonical.jcs(given["value"]).decode()}


def _subject_pseudonym(given: Members) -> Members:
    return {"pseudonym": pseudonym.subject_pseudonym(_hex(given["key_hex"]), given["number"])}


def _party_pseudonym(given: Members) -> Members:
    key = _hex(given["key_hex"])
    return {"pseudonym": pseudonym.party_pseudonym(key, given["kind"], given["number"])}


def _blind_index(given: Members) -> Members:
    return {"index": facts.blind_index(_hex(given["key_hex"]), given["kind"], given["value"])}


def _intake_public_key(given: Members) -> Members:
    return {"public_key_hex": session.intake_public_bytes(_hex(given["private_key_hex"])).hex()}


def _session_info(given: Members) -> Members:
    not_after = datetime.fromisoformat(given["not_after"])
    return {"info_hex": session.session_info(**{**given, "not_after": not_after}).hex()}


def _session_signed_material(given: Members) -> Members:
    encapsulation = b64decode(given["encapsulation_b64"])
    return {"material_hex": session.signed_material(_hex(given["info_hex"]), encapsulation).hex()}


def _session_signature(given: Members) -> Members:
    key = Ed25519PrivateKey.from_private_bytes(_hex(given["private_key_hex"]))
    return {
        "public_key_hex": key.public_key().public_bytes_raw().hex(),
        "signature_b64": b64encode(key.sign(_hex(given["material_hex"]))),
    }


def _session_key(given: Members) -> Members:
    opened = SessionOpened(
        session=given["session"],
        publisher=given["publisher"],
        key_id=given["key_id"],
        not_after=datetime.fromisoformat(given["not_after"]),
        intake_key=given["intake_key"],
        encapsulation=given["encapsulation_b64"],
        signature=given["signature_b64"],
    )
    (signed,) = (one for one in _entries("session") if one["step"] == "session_signature")
    session.verify_session(opened, _hex(signed["out"]["public_key_hex"]))
    key = session.unseal_session_key(opened, _hex(given["private_key_hex"]))
    return {"session_key_hex": key.hex()}


def _submission_associated_data(given: Members) -> Members:
    made = submission.associated_data(given["key"].encode(), _headers(given))
    return {"associated_data_hex": made.hex()}


def _submission_seal(given: Members) -> Members:
    session_key, key, headers = (
        _hex(given["session_key_hex"]),
        given["key"].encode(),
        _headers(given),
    )
    body = given["body"].encode()
    sealed = submission.seal(session_key, _hex(given["nonce_hex"]), key, headers, body)
    assert submission.unseal(session_key, key, headers, sealed) == body
    return {"value_hex": sealed.hex()}


def _keys(made: facts.FactKeys) -> Members:
    return {"seal_key_hex": made.seal.hex(), "nonce_key_hex": made.nonce.hex()}


def _record_keys(given: Members) -> Members:
    subject, period = _hex(given["subject_secret_hex"]), _hex(given["period_secret_hex"])
    return _keys(facts.record_keys(subject, period, given["version"]))


def _access_keys(given: Members) -> Members:
    return _keys(facts.access_keys(_hex(given["secret_hex"]), given["label"]))


def _record_associated_data(given: Members) -> Members:
    others = {name: value for name, value in given.items() if name != "type"}
    made = facts.record_associated_data(type_=given["type"], **others)
    return {"associated_data_hex": made.hex()}


def _access_associated_data(given: Members) -> Members:
    others = {name: value for name, value in given.items() if name != "type"}
    made = facts.access_associated_data(type_=given["type"], **others)
    return {"associated_data_hex": made.hex()}


def _fact_seal(given: Members) -> Members:
    keys = facts.FactKeys(_hex(given["seal_key_hex"]), _hex(given["nonce_key_hex"]))
    associated, content = _hex(given["associated_data_hex"]), given["content"].encode()
    sealed = facts.seal(keys, given["ce_id"], associated, content)
    assert facts.unseal(keys, given["ce_id"], associated, sealed) == content
    return {"nonce_hex": b64decode(sealed)[:12].hex(), "sealed_b64": sealed}


def _line_digest(given: Members) -> Members:
    return {"digest": facts.line_digest(_hex(given["subject_secret_hex"]), given["line"])}


def _message_digest(given: Members) -> Members:
    body = given["body"].encode()
    return {"digest": facts.message_digest(_hex(given["subject_secret_hex"]), body)}


def _unnamed_digest(given: Members) -> Members:
    key, body = _hex(given["intake_private_key_hex"]), given["body"].encode()
    return {"digest": facts.unnamed_digest(key, body)}


def _enrolment_material(given: Members) -> Members:
    public = _hex(given["public_key_hex"])
    made = office.enrolment_material(given["publisher"], given["key_id"], public)
    return {"material_hex": made.hex()}


def _enrolment_proof(given: Members) -> Members:
    key = Ed25519PrivateKey.from_private_bytes(_hex(given["private_key_hex"]))
    return {"proof_b64": b64encode(key.sign(_hex(given["material_hex"])))}


def _office_signed_material(given: Members) -> Members:
    key, value = given["key"].encode(), given["value"].encode()
    return {"material_hex": office.signed_material(key, _headers(given), value).hex()}


def _office_signature(given: Members) -> Members:
    private = Ed25519PrivateKey.from_private_bytes(_hex(given["private_key_hex"]))
    public = private.public_key().public_bytes_raw()
    key, value = given["key"].encode(), given["value"].encode()
    signed = office.sign(private, key, _headers(given), value)
    office.verify(public, key, signed, value)
    signature = dict(signed)[office.SIGNATURE_HEADER].decode()
    return {"public_key_hex": public.hex(), "signature_b64": signature}


STEPS: Final[dict[str, Callable[[Members], Members]]] = {
    "length_prefixed": _length_prefixed,
    "canonical_json": _canonical_json,
    "subject_pseudonym": _subject_pseudonym,
    "party_pseudonym": _party_pseudonym,
    "blind_index": _blind_index,
    "intake_public_key": _intake_public_key,
    "session_info": _session_info,
    "session_signed_material": _session_signed_material,
    "session_signature": _session_signature,
    "session_key": _session_key,
    "submission_associated_data": _submission_associated_data,
    "submission_seal": _submission_seal,
    "record_keys": _record_keys,
    "access_keys": _access_keys,
    "record_associated_data": _record_associated_data,
    "access_associated_data": _access_associated_data,
    "fact_seal": _fact_seal,
    "line_digest": _line_digest,
    "message_digest": _message_digest,
    "unnamed_digest": _unnamed_digest,
    "enrolment_material": _enrolment_material,
    "enrolment_proof": _enrolment_proof,
    "office_signed_material": _office_signed_material,
    "office_signature": _office_signature,
}


def _entries(name: str) -> list[Members]:
    entries: list[Members] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))["vectors"]
    return entries


def _all() -> Iterator[Any]:
    for name in FILES:
        for number, entry in enumerate(_entries(name)):
            yield pytest.param(entry, id=f"{name}-{number}-{entry['step']}")


@pytest.mark.parametrize("entry", list(_all()))
def test_the_code_gives_the_known_answer(entry: Members) -> None:
    assert STEPS[entry["step"]](entry["in"]) == entry["out"]


def test_every_step_has_a_known_answer_in_its_file() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(FILES)
    for name, steps in FILES.items():
        assert {entry["step"] for entry in _entries(name)} == steps


@pytest.mark.parametrize("step", sorted(STEPS))
def test_every_step_is_explained_to_vendors(step: str) -> None:
    assert f"| `{step}` |" in (FOLDER / "README.md").read_text("utf-8")
