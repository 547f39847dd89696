"""The calls into native code that a decision cannot do without, and nothing around them.

Nothing here decides anything: it is what would be left if all Python between these calls took no
time. They are made with inputs of the size that they have in a decision: opening, both parses of
the body, the keyed hashes of pseudonym, message, keys, digests and nonces, the ciphers, every JSON
text that is written, and the outputs as the fold reads them.
"""

import binascii
import hmac
from collections.abc import Callable, Sequence
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESGCMSIV
from pydantic_core import from_json, to_json

from consumers.bench.decide.visits import LINES, SESSION_KEY, Visit
from schemas.dispensation import RegisterBody
from schemas.sealing.submission import NONCE_BYTES, associated_data
from streams.quality.lifecycle import LineFact
from streams.quality.numbering import Answered

_KEY: Final = bytes(32)
_DIGEST: Final = "A" * 43
_GUID: Final = "0f8fad5b-d9cb-069f-0165-70867728950e"
_PERSON: Final = "a" * 26
_FORM: Final[dict[str, object]] = {
    "sguid": _GUID,
    "pharmacy": "80000551",
    "delivered_at": "2026-03-10T08:55:00Z",
    "product": {"kind": "cnk", "cnk": "1000007"},
    "units": 1,
    "posology": {"text": "1 comprimé le matin et 1 le soir, pendant les repas"},
    "prescription": {
        "prescriber": "10000304001",
        "rid": "BEP000000000",
        "on_substance_name": False,
    },
}
_FACT: Final[dict[str, object]] = {
    "pharmacy": "80000551",
    "dguid": _GUID,
    "version": 1,
    "subject": _PERSON,
    "generation": 1,
    "period": "period",
    "digest": _DIGEST,
    "sealed": "A" * 500,
    "status": "registered",
    "score": 100,
    "warnings": (),
}
_LINE: Final[dict[str, object]] = {
    "path": "/lines/0",
    "dguid": _GUID,
    "outcome": "recorded",
    "version": 1,
    "score": 100,
    "issues": (),
}
_RECEIPT: Final[dict[str, object]] = {
    "outcome": "accepted",
    "submission": {
        "partition": 0,
        "offset": 1,
        "appended_at": "2026-03-10T09:00:00Z",
        "id": _GUID,
        "source": "/pharmacies/80000551",
        "type": "be.dpp.dispensation.register.v1",
        "session": "session",
        "sequence": 1,
        "epoch": "epoch",
        "digest": _DIGEST,
    },
    "issues": (),
    "lines": (_LINE,) * LINES,
    "facts": ("quality/0/1/0",) * LINES,
    "dead_letter": False,
}
_HASHES_OF_A_VISIT: Final = 3
"""Pseudonym, sealing key, nonce key; the message's comes over its whole body."""


def work(made: Sequence[Visit]) -> Callable[[], None]:
    """The native part of deciding all visits, with its inputs prepared."""
    opener = AESGCM(SESSION_KEY)
    inputs = [
        (
            one.submission.value or b"",
            associated_data(one.submission.key or b"", one.submission.headers),
        )
        for one in made
    ]
    fact, receipt, bound = to_json(_FACT), to_json(_RECEIPT), bytes(160)

    def run() -> None:
        for sealed, associated in inputs:
            body = opener.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], associated)
            from_json(body)
            RegisterBody.__pydantic_validator__.validate_json(body, extra="ignore")
            for _ in range(_HASHES_OF_A_VISIT):
                hmac.digest(_KEY, bound, "sha256")
            hmac.digest(_KEY, body, "sha256")
            cipher = AESGCMSIV(_KEY)
            for _ in range(LINES):
                form = to_json(_FORM)
                hmac.digest(_KEY, to_json(_FORM), "sha256")
                nonce = hmac.digest(_KEY, b"quality/0/1/0", "sha256")[:NONCE_BYTES]
                binascii.b2a_base64(nonce + cipher.encrypt(nonce, form, bound), newline=False)
                to_json(_FACT)
                LineFact.__pydantic_validator__.validate_json(fact, extra="ignore")
            to_json(_RECEIPT)
            Answered.__pydantic_validator__.validate_json(receipt, extra="ignore")

    return run
