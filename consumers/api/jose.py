"""What tokens and DPoP proofs share: a look before any check, and the one way to check a signature.

Nothing that stands in a header is believed before the signature holds. Source: RFC 8725.
"""

import warnings
from collections.abc import Mapping
from typing import Any, Final, Literal

from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import Key, KeySet

from schemas import strictjson
from schemas.sealing import SealBroken, b64decode

AsymmetricAlgorithm = Literal[
    "RS256", "PS256", "ES256", "ES384", "ES512", "Ed25519", "EdDSA", "Ed448"
]
Jwk = dict[str, str | list[str]]
MAX_TOKEN_CHARS: Final = 8192
MIN_RSA_BITS: Final = 2048
_PARTS: Final = 3
_KINDS: Final = ("RSA", "EC", "OKP")
_PRIVATE: Final = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")


class NotJose(Exception):
    """A text is no JWS in compact form with JSON objects, or a key is none that is public."""


class BadSignature(Exception):
    """The signature does not hold, or was made with another algorithm."""


def peek(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Header and payload before any check, only to learn which key to try.

    Raises:
        NotJose: they cannot be read.
    """
    parts = token.split(".")
    if len(token) > MAX_TOKEN_CHARS or len(parts) != _PARTS or not token.isascii():
        raise NotJose
    return _json_object(parts[0]), _json_object(parts[1])


def _json_object(part: str) -> Mapping[str, Any]:
    try:
        value = strictjson.parse(b64decode(part), max_bytes=MAX_TOKEN_CHARS, max_depth=6)
    except (SealBroken, strictjson.MalformedJson):
        raise NotJose from None
    if not isinstance(value, dict):
        raise NotJose
    return value


def public_key(jwk: object) -> Key:
    """A public RSA, EC or OKP key; anything private or symmetric is refused.

    Raises:
        NotJose: it is none, or an RSA key shorter than 2048 bits.
    """
    if not isinstance(jwk, dict) or jwk.get("kty") not in _KINDS or any(n in jwk for n in _PRIVATE):
        raise NotJose
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # judged here, by its length
            found = KeySet.import_key_set({"keys": [jwk]}).keys[0]
    except (JoseError, ValueError, KeyError, TypeError, AttributeError):
        raise NotJose from None
    size = getattr(found.public_key, "key_size", MIN_RSA_BITS)
    if jwk["kty"] == "RSA" and size < MIN_RSA_BITS:
        raise NotJose
    return found


def claims_of(token: str, key: Key, algorithms: tuple[str, ...]) -> dict[str, Any]:
    """The claims of a token whose signature holds.

    Raises:
        BadSignature: it does not, or the algorithm is not one of these.
    """
    try:
        with warnings.catch_warnings():
            # `EdDSA` is the older name of what RFC 9864 calls `Ed25519`; publishers may use both.
            warnings.simplefilter("ignore", SecurityWarning)
            return jwt.decode(token, key, algorithms=list(algorithms)).claims
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        raise BadSignature from None
