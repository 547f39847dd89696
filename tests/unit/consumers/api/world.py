"""A whole API over memory, its readers' tokens, and a client that asks it."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

import httpx
from joserfc import jwt
from joserfc.jwk import OKPKey

from consumers.api.app import create_app
from consumers.api.gate import Gate
from consumers.api.issuers import Role, TrustedIssuer
from consumers.api.ports import ApiSettings, Dependencies
from consumers.api.replay import ReplayMemory
from consumers.api.throttle import Throttle
from consumers.api.tokens import TokenVerifier
from consumers.catalogue import catalogue
from tests.unit.consumers.api.backbone import Backbone
from tests.unit.consumers.api.cast import (
    ANN,
    AUDIENCE,
    DOCTOR,
    ISSUER,
    NOW,
    OTHER_PHARMACY,
    PHARMACIST,
    PHARMACY,
)
from tests.unit.consumers.api.fakes import Down


class World(Backbone):
    """Everything behind one app; change the fakes, then ask."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.issuer_key = OKPKey.generate_key("Ed25519", {"kid": "issuer-1"})
        numbers = itertools.count(1)
        limits = ApiSettings(registration_timeout=0.05, audit_timeout=30.0, stream_poll=0.01)
        self.limits = replace(limits, **settings)
        self.deps = Dependencies(
            vault=self.vault,
            tables=self.tables,
            log=self.log,
            positions=self.positions,
            store=self.store,
            logged=self.logged,
            outcomes=self.outcomes,
            registrar=self.registrar,
            gate=self.gate(),
            throttle=Throttle(
                requests_per_minute=self.limits.requests_per_minute,
                patients_per_hour=self.limits.patients_per_hour,
                clock=self.seconds,
            ),
            products=catalogue.by_cnk(),
            health=self.health,
            clock=lambda: self.now,
            new_id=lambda: f"00000000-0000-4000-8000-{next(numbers):012d}",
            settings=self.limits,
            unavailable_errors=(Down,),
        )
        self.app = create_app(self.deps)

    def trusted(self) -> TrustedIssuer:
        public = self.issuer_key.as_dict(private=False)
        return TrustedIssuer(
            issuer=ISSUER,
            audience=AUDIENCE,
            algorithms=("Ed25519",),
            roles=get_args(Role),
            keys=({name: str(value) for name, value in public.items()},),
        )

    def verifier(self) -> TokenVerifier:
        return TokenVerifier(
            issuers=(self.trusted(),),
            publishers=self.tables,
            audience=AUDIENCE,
            clock=lambda: self.now,
        )

    def seconds(self) -> float:
        return self.now.timestamp()

    def gate(self, **changes: Any) -> Gate:
        return Gate(
            **{
                "verifier": self.verifier(),
                "replay": ReplayMemory(self.seconds),
                "public_url": "http://api.test",
                "clock": lambda: self.now,
                **changes,
            }
        )

    def token(self, role: str, **claims: Any) -> str:
        body: dict[str, Any] = {
            "iss": ISSUER,
            "sub": "somebody",
            "aud": AUDIENCE,
            "iat": int(NOW.timestamp()),
            "exp": int(NOW.timestamp()) + 3600,
            "jti": "token-1",
            "role": role,
            **claims,
        }
        header = {"alg": "Ed25519", "typ": "at+jwt", "kid": "issuer-1"}
        return jwt.encode(header, body, self.issuer_key, algorithms=["Ed25519"])

    def patient(self, number: str = ANN) -> str:
        return self.token("patient", niss=number)

    def caregiver(self, number: str = DOCTOR) -> str:
        return self.token("caregiver", nihdi=number, profession="physician")

    def pharmacist(self) -> str:
        return self.token(
            "pharmacist", nihdi=PHARMACIST, profession="pharmacist", organisation=OTHER_PHARMACY
        )

    def authority(self, number: str = "0000000394") -> str:
        return self.token("authority", organisation=number)

    def pharmacy(self, number: str = PHARMACY) -> str:
        return self.token("pharmacy", organisation=number)

    def auditor(self) -> str:
        return self.token("auditor", sub="auditor-7")

    async def ask(
        self,
        path: str,
        token: str | None = None,
        body: object = None,
        *,
        method: str = "POST",
        content: bytes | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> httpx.Response:
        given = list(headers)
        if token is not None:
            given.append(("Authorization", f"Bearer {token}"))
        transport = httpx.ASGITransport(app=self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
            if content is None and method == "POST":
                return await client.post(path, json=body if body is not None else {}, headers=given)
            return await client.request(method, path, content=content, headers=given)
