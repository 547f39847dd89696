"""Authentication of one request: the token, and that its sender is who it was issued to.

A token that says it is bound to a key or certificate is never taken without it, whatever the
scheme; where configuration asks for bound tokens, others are refused.
"""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from consumers.api.certificates import thumbprint
from consumers.api.dpop import BadProof, Nonces, NonceWanted, check_proof
from consumers.api.jwks import KeyRings
from consumers.api.replay import ReplayMemory
from consumers.api.tokens import Accepted, Principal, TokenVerifier, Unauthenticated, UnknownKey


@dataclass(frozen=True, slots=True)
class Presented:
    """What a request shows of its sender."""

    scheme: str
    """`bearer` or `dpop`; empty if it shows no one token."""
    token: str = field(repr=False)
    method: str
    path: str
    """Raw path of the request, without query."""
    proofs: tuple[str, ...] = field(default=(), repr=False)
    certificate: bytes | None = field(default=None, repr=False)


class NonceDemanded(Unauthenticated):
    """The client shall make its proof again, with this nonce."""

    def __init__(self, nonce: str) -> None:
        super().__init__("dpop_nonce")
        self.nonce = nonce


class Gate:
    """Lets a request in as somebody, or not at all.

    Args:
        verifier: judges access tokens.
        replay: what was used already.
        public_url: scheme, host and prefix under which clients reach this API; DPoP proofs name it.
        rings: asked to read an issuer's keys again when a token names one that is not known.
        nonce_key: if given, DPoP proofs must carry the server's nonce.
    """

    def __init__(
        self,
        *,
        verifier: TokenVerifier,
        replay: ReplayMemory,
        public_url: str,
        clock: Callable[[], datetime],
        rings: KeyRings | None = None,
        nonce_key: Callable[[], Awaitable[bytes]] | None = None,
    ) -> None:
        self._verifier = verifier
        self._replay = replay
        self._url = public_url.rstrip("/")
        self._clock = clock
        self._rings = rings
        self._nonce_key = nonce_key

    async def admit(self, shown: Presented) -> Principal:
        """Who sends the request.

        Raises:
            Unauthenticated: nobody that could be proven.
            NonceDemanded: its proof lacks the nonce of now.
            KeysUnavailable, ReplayFull: it cannot be told now.
        """
        accepted = await self._accept(shown.token)
        await self._check_binding(accepted, shown)
        if accepted.one_time:
            principal = accepted.principal
            name = ("token", principal.issuer, principal.token_id)
            if not self._replay.first_use(name, accepted.expires_at + 120):
                raise Unauthenticated("token_replayed")
        return accepted.principal

    async def _accept(self, token: str) -> Accepted:
        try:
            return self._verifier.accept(token)
        except UnknownKey as unknown:
            if self._rings is None or not await self._rings.read_again(unknown.issuer):
                raise
        return self._verifier.accept(token)

    async def _check_binding(self, accepted: Accepted, shown: Presented) -> None:
        jkt, x5t = accepted.key_thumbprint, accepted.certificate_thumbprint
        if (shown.scheme == "dpop") != (jkt is not None):
            raise Unauthenticated("dpop_scheme")
        if x5t is not None:
            certificate = thumbprint(shown.certificate) if shown.certificate else ""
            if not hmac.compare_digest(certificate.encode(), x5t.encode()):
                raise Unauthenticated("certificate")
        if jkt is not None:
            await self._check_proof(shown, jkt)
        bound = {"none": True, "dpop": jkt, "mtls": x5t, "either": jkt or x5t}[accepted.binding]
        if not bound:
            raise Unauthenticated("not_bound")

    async def _check_proof(self, shown: Presented, jkt: str) -> None:
        if len(shown.proofs) != 1:
            raise Unauthenticated("dpop_missing")
        now = self._clock()
        nonces = Nonces(await self._nonce_key()) if self._nonce_key is not None else None
        try:
            proof = check_proof(
                shown.proofs[0],
                method=shown.method,
                url=self._url + shown.path,
                token=shown.token,
                thumbprint=jkt,
                now=now,
                nonces=nonces,
            )
        except NonceWanted:
            raise NonceDemanded(nonces.current(now) if nonces else "") from None
        except BadProof as bad:
            raise Unauthenticated(bad.reason) from None
        if not self._replay.first_use(("dpop", proof.thumbprint, proof.id), proof.expires_at):
            raise Unauthenticated("dpop_replayed")
