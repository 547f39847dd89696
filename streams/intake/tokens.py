"""The token by which a publisher identifies itself to the API: signed with its enrolled key."""

import uuid
from datetime import datetime, timedelta
from typing import Final

from joserfc import jwt
from joserfc.jwk import OKPKey

from schemas.sealing import b64encode
from streams.intake.keys import SigningKey

AUDIENCE: Final = "https://api.dpp.be"
_LIFETIME: Final = timedelta(minutes=4)


def publisher_token(
    publisher: str, signing_key: SigningKey, now: datetime, audience: str = AUDIENCE
) -> str:
    """A bearer token for the next four minutes."""
    key = OKPKey.import_key(
        {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": b64encode(signing_key.public_bytes),
            "d": b64encode(signing_key.private.private_bytes_raw()),
        }
    )
    claims = {
        "iss": publisher,
        "sub": publisher,
        "aud": audience,
        "iat": int(now.timestamp()),
        "exp": int((now + _LIFETIME).timestamp()),
        "jti": uuid.uuid4().hex,
    }
    header = {"alg": "Ed25519", "typ": "at+jwt", "kid": signing_key.key_id}
    return jwt.encode(header, claims, key, algorithms=["Ed25519"])
