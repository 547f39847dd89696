"""Token issuers as configured: nothing that a token says can widen what stands here."""

from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from consumers.api.jose import AsymmetricAlgorithm

Role = Literal[
    "patient",
    "caregiver",
    "pharmacist",
    "pharmacy",
    "admission_desk",
    "insurer",
    "privacy_officer",
    "auditor",
    "operator",
    "authority",
]
Binding = Literal["none", "dpop", "mtls", "either"]
SAFE_TYPES: Final = ("JWT", "at+jwt", "application/at+jwt")
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_ClaimName = Annotated[str, Field(min_length=1, max_length=256)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ClaimNames(_Frozen):
    """Under which names an issuer states what we ask for."""

    role: _ClaimName = "role"
    niss: _ClaimName = "niss"
    nihdi: _ClaimName = "nihdi"
    profession: _ClaimName = "profession"
    organisation: _ClaimName = "organisation"
    name: _ClaimName = "name"


class TrustedIssuer(_Frozen):
    """One issuer. Its keys stand here, in a file, or at an address; in one of the three."""

    issuer: Annotated[str, Field(min_length=1, max_length=256)]
    audience: Annotated[str, Field(min_length=1, max_length=256)]
    algorithms: Annotated[tuple[AsymmetricAlgorithm, ...], Field(min_length=1)]
    types: Annotated[tuple[Literal["JWT", "at+jwt", "application/at+jwt"], ...], Field()] = (
        SAFE_TYPES
    )
    roles: tuple[Role, ...] = ("patient", "caregiver", "pharmacist", "pharmacy", "auditor")
    """Roles that this issuer may grant; `operator` only if it is named."""
    claims: ClaimNames = ClaimNames()
    role_values: dict[str, Role] = Field(default_factory=dict)
    """What the role claim may say, and the role meant; if empty it says the role itself."""
    professions: dict[str, str] = Field(default_factory=dict)
    """What the profession claim may say, and the profession meant; others stand as they are."""
    binding: Binding = "none"
    """How a token must be bound to who sends it; one that says it is bound always is checked."""
    one_time: bool = False
    """Whether each token opens one request only."""
    max_seconds: Annotated[int, Field(ge=60, le=86_400)] = 43_200
    skew_seconds: Annotated[int, Field(ge=0, le=120)] = 30
    keys: tuple[dict[str, str | list[str]], ...] = Field(default=(), repr=False)
    """Public JWKs, each with its `kid`."""
    jwks_file: Path | None = None
    jwks_url: str | None = None
    refresh_seconds: Annotated[int, Field(ge=30, le=3600)] = 300
    """How often file or address is read again; a key that is withdrawn is refused after that."""
    keys_max_age_seconds: Annotated[int, Field(ge=300, le=604_800)] = 86_400
    """For so long keys stand in while file or address cannot be read; then requests are a 503."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [bool(self.keys), self.jwks_file is not None, self.jwks_url is not None]
        if sum(given) != 1:
            raise ValueError("give one of keys, jwks_file and jwks_url")
        if self.jwks_url is not None:
            parts = urlsplit(self.jwks_url)
            local = parts.scheme == "http" and parts.hostname in _LOOPBACK
            if (parts.scheme != "https" and not local) or not parts.hostname or parts.username:
                raise ValueError("jwks_url must be an https address")
        return self


class IssuersFile(_Frozen):
    """The file of pinned issuers, `DPP_ISSUERS_FILE`."""

    issuers: tuple[TrustedIssuer, ...]


def read_issuers(path: Path) -> tuple[TrustedIssuer, ...]:
    """The issuers pinned in a file.

    Raises:
        ValueError: the file does not hold what it should; the text names the first member at fault.
        OSError: it cannot be read.
    """
    try:
        return IssuersFile.model_validate_json(path.read_bytes()).issuers
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = "/".join(str(part) for part in first["loc"])
        why = first["msg"].removeprefix("Value error, ")
        # Only our own texts are repeated: others may quote the file.
        told = f": {why}" if first["type"] == "value_error" else ""
    raise ValueError(f"The file of token issuers is wrong at {where or 'its beginning'}{told}.")
