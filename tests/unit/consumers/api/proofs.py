"""What a client with a key of its own does: tokens bound to it, and proofs for its requests."""

import uuid
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

from consumers.api.dpop import token_hash
from tests.unit.consumers.api.cast import ANN, NOW
from tests.unit.consumers.api.world import World

URL = "http://api.test/v1/me/history"
PATH = "/v1/me/history"


class Client:
    """A browser or an app."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.key = ECKey.generate_key("P-256")

    @property
    def thumbprint(self) -> str:
        return str(self.key.thumbprint())

    def token(self, **claims: Any) -> str:
        return self.world.token("patient", niss=ANN, **{"cnf": {"jkt": self.thumbprint}, **claims})

    def proof(self, token: str, header: dict[str, Any] | None = None, **changes: Any) -> str:
        claims = {
            "jti": uuid.uuid4().hex,
            "htm": "POST",
            "htu": URL,
            "iat": int(NOW.timestamp()),
            "ath": token_hash(token),
            **changes,
        }
        public = self.key.as_dict(private=False)
        given = {"alg": "ES256", "typ": "dpop+jwt", "jwk": public, **(header or {})}
        body = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(given, body, self.key, algorithms=["ES256"])

    async def ask(self, token: str, *proofs: str, scheme: str = "DPoP") -> tuple[int, str, str]:
        headers = [("Authorization", f"{scheme} {token}"), *(("DPoP", one) for one in proofs)]
        answer = await self.world.ask(PATH, None, {}, headers=headers)
        return (
            answer.status_code,
            answer.headers.get("www-authenticate", ""),
            answer.headers.get("dpop-nonce", ""),
        )
