"""The local token issuer for development: off unless settings ask for it, never in production."""

import json
import os
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, get_args

from joserfc import jwt
from joserfc.jwk import OKPKey
from pydantic import BaseModel, ConfigDict, Field

from consumers.api.issuers import Role, TrustedIssuer

DEV_ISSUER: Final = "https://issuer.localhost/dev"
_KEY_FILE: Final = "dev-issuer.json"


class TokenRequest(BaseModel):
    """Whom a development token stands for."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    role: Role
    niss: str | None = Field(default=None, max_length=32)
    nihdi: str | None = Field(default=None, max_length=32)
    profession: str | None = Field(default=None, max_length=64)
    organisation: str | None = Field(default=None, max_length=32)
    name: str | None = Field(default=None, max_length=128)
    seconds: int = Field(default=3600, ge=60, le=43_200)


class DevIssuer:
    """Issues tokens under a key pair that is kept in the data folder (mode 0600)."""

    def __init__(self, key: OKPKey, audience: str) -> None:
        self._key = key
        self._audience = audience

    @classmethod
    def open(cls, folder: Path, audience: str) -> "DevIssuer":
        """The issuer of this data folder, made at first use.

        Raises:
            OSError: the folder cannot be written or the key cannot be read.
        """
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / _KEY_FILE
        if not path.exists():
            made = OKPKey.generate_key("Ed25519", {"kid": f"dev-{uuid.uuid4().hex[:8]}"})
            text = json.dumps(made.as_dict(private=True))
            fresh = path.with_suffix(f".{os.getpid()}")
            fresh.touch(mode=0o600)
            fresh.write_text(text)
            fresh.rename(path)
        return cls(OKPKey.import_key(json.loads(path.read_text())), audience)

    def trusted(self) -> TrustedIssuer:
        """How a verifier pins this issuer."""
        public = {
            name: str(value)
            for name, value in self._key.as_dict(private=False).items()
            if isinstance(value, str)
        }
        return TrustedIssuer(
            issuer=DEV_ISSUER,
            audience=self._audience,
            algorithms=("Ed25519",),
            roles=get_args(Role),
            keys=(public,),
        )

    def issue(self, request: TokenRequest, now: datetime) -> str:
        """A signed token for that person from `now` on."""
        claims = request.model_dump(exclude_none=True, exclude={"seconds"})
        claims |= {
            "iss": DEV_ISSUER,
            "sub": f"dev-{request.role}",
            "aud": self._audience,
            "iat": int(now.timestamp()),
            "exp": int((now + timedelta(seconds=request.seconds)).timestamp()),
            "jti": uuid.uuid4().hex,
        }
        header = {"alg": "Ed25519", "typ": "at+jwt", "kid": self._key.kid}
        return jwt.encode(header, claims, self._key, algorithms=["Ed25519"])
