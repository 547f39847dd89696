"""Settings from the environment, all with the prefix `DPP_`; one clear sentence when they fail."""

from pathlib import Path
from typing import Any, Literal, Self

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from infra.errors import InfrastructureError
from schemas.sealing.office import OfficeKeys

VAULT_DATABASE = "vault"


class SettingsError(InfrastructureError):
    """A setting is missing or makes no sense; the text names its environment variable."""


class Settings(BaseSettings):
    """Everything a process of the backbone is told from outside. Field `x` is `DPP_X`."""

    model_config = SettingsConfigDict(env_prefix="DPP_", frozen=True, extra="forbid")

    kafka_bootstrap: str | None = None
    """`host:port`, several separated by commas."""
    kafka_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_ca_file: Path | None = None
    kafka_cert_file: Path | None = None
    kafka_key_file: Path | None = None
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_user: str | None = None
    kafka_password: SecretStr | None = None

    postgres_dsn: SecretStr | None = None
    vault_dsn: SecretStr | None = None
    """The key vault's database; by default `vault` on the server of `postgres_dsn`."""
    history_dsn: SecretStr | None = None
    """A read replica of `postgres_dsn`, from which the API may read histories and nothing else."""

    data: Path = Path(".dpp")
    """Folder of what a process keeps: stage state, outboxes, the embedded servers."""

    api_host: str = "127.0.0.1"
    api_port: int = Field(default=8080, ge=0, le=65535)
    api_public_url: str | None = Field(default=None, pattern=r"^https?://[^\s?#]+$")
    """Where clients reach the API (scheme, host, prefix); by default where it listens."""
    api_position_seconds: float = Field(default=5.0, gt=0, le=60)
    """How long a read waits until what was acknowledged before it is applied; then it is a 503."""
    api_pool: int = Field(default=8, ge=1, le=200)
    api_pool_seconds: float = Field(default=2.0, gt=0, le=60)
    """Connections of each of the API's three pools, and how long a read waits for one of them."""
    api_access_query_seconds: float = Field(default=2.0, gt=0, le=60)
    api_history_query_seconds: float = Field(default=2.0, gt=0, le=60)
    api_list_query_seconds: float = Field(default=10.0, gt=0, le=60)
    """How long a statement may take: for a decision, a history, or a list of something else."""
    api_docs: bool = False
    """Whether the API serves its documents under `/docs`."""
    api_tls_cert_file: Path | None = None
    api_tls_key_file: Path | None = None
    api_tls_client_ca_file: Path | None = None
    """Whose client certificates are taken, where the API ends TLS itself."""
    api_client_cert_header: str | None = Field(default=None, pattern=r"^[A-Za-z0-9-]{1,64}$")
    api_trusted_proxies: str | None = None
    """Header with the client's certificate (RFC 9440), and the proxies that may set it."""
    api_dpop_nonce: bool = False
    """Whether DPoP proofs must carry the server's nonce."""
    api_requests_per_minute: int = Field(default=6000, ge=1)
    api_patients_per_hour: int = Field(default=200, ge=1)
    """Limits of one caller at one process."""
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=0, ge=0, le=65535)
    """Port of metrics and health of a part without an API; 0 takes a free one."""
    stage_stall_seconds: float = Field(default=300, gt=0)
    """After how long a partition that stands still while its topic has more ends its process."""
    log_format: Literal["json", "console"] = "json"

    office_public_key: str | None = None
    """The FarmaFlux office's Ed25519 public key, base64url without padding; after a change of it
    `KEY,NEXT@TIME` (`schemas.sealing.office.OfficeKeys`)."""
    kek: SecretStr | None = None
    kek_file: Path | None = None
    """The key-encryption key of the vault: in the environment, or in a file of mode 0600."""
    kek_also_file: Path | None = None
    """Another key-encryption key that opens secrets, while one takes the place of the other."""

    log_origin: str = Field(default="dpp.local/log", pattern=r"^[^\s+]{1,200}$")
    """Name of the transparency log and of its key: best its address without a scheme."""
    log_key_file: Path | None = None
    """The log's Ed25519 signing key, in a file of mode 0600; only the notary needs it."""

    log_witnesses: str | None = None
    """Who cosigns checkpoints: `URL KEY` each, several separated by commas."""
    log_witness_seconds: float = Field(default=0.5, ge=0, le=10)
    """How long a checkpoint waits for cosignatures at most; later ones are added afterwards."""
    witness_name: str = Field(default="dpp.local/witness", pattern=r"^[^\s+]{1,200}$")
    """Name of a witness's own key."""
    audit_token: SecretStr | None = None
    """The token with the auditor role by which entries of a log are read over HTTP."""

    issuers_file: Path | None = None
    """JSON file that pins the token issuers, their keys and algorithms."""
    dev_issuer: bool = False
    """Whether the local token issuer for development is on; never in production."""

    @field_validator("kafka_bootstrap")
    @classmethod
    def _bootstrap_form(cls, value: str | None) -> str | None:
        for part in (value or "").split(","):
            host, _, port = part.strip().rpartition(":")
            if value is not None and not (host and port.isdigit()):
                raise ValueError("must be host:port, several separated by commas")
        return value

    @field_validator("postgres_dsn", "vault_dsn", "history_dsn")
    @classmethod
    def _dsn_form(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                conninfo_to_dict(value.get_secret_value())
            except ProgrammingError:
                # The parser's own text may repeat the password.
                raise ValueError("is not a PostgreSQL connection string") from None
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kafka_protocol.startswith("SASL") and not (self.kafka_user and self.kafka_password):
            raise ValueError("DPP_KAFKA_PROTOCOL asks for DPP_KAFKA_USER and DPP_KAFKA_PASSWORD")
        if (self.kafka_cert_file is None) != (self.kafka_key_file is None):
            raise ValueError("DPP_KAFKA_CERT_FILE and DPP_KAFKA_KEY_FILE belong together")
        if (self.api_tls_cert_file is None) != (self.api_tls_key_file is None):
            raise ValueError("DPP_API_TLS_CERT_FILE and DPP_API_TLS_KEY_FILE belong together")
        if self.api_tls_client_ca_file is not None and self.api_tls_cert_file is None:
            raise ValueError("DPP_API_TLS_CLIENT_CA_FILE needs DPP_API_TLS_CERT_FILE")
        if (self.api_client_cert_header is None) != (self.api_trusted_proxies is None):
            raise ValueError("DPP_API_CLIENT_CERT_HEADER and DPP_API_TRUSTED_PROXIES go together")
        if self.api_client_cert_header is not None and self.api_tls_cert_file is not None:
            raise ValueError(
                "client certificates come from the API's own TLS or from a proxy, not from both"
            )
        if self.kek is not None and self.kek_file is not None:
            raise ValueError("give DPP_KEK or DPP_KEK_FILE, not both")
        return self

    @property
    def bootstrap(self) -> str:
        """The broker's address.

        Raises:
            SettingsError: it was not given.
        """
        if self.kafka_bootstrap is None:
            raise SettingsError(
                "DPP_KAFKA_BOOTSTRAP is not set: give the broker's host:port, or use dpp up, "
                "which brings its own broker."
            )
        return self.kafka_bootstrap

    @property
    def dsn(self) -> str:
        """Connection string of the projections' database; it may hold a password.

        Raises:
            SettingsError: it was not given.
        """
        if self.postgres_dsn is None:
            raise SettingsError(
                "DPP_POSTGRES_DSN is not set: give the database's connection string, or use "
                "dpp up, which brings its own database."
            )
        return self.postgres_dsn.get_secret_value()

    @property
    def vault(self) -> str:
        """Connection string of the key vault's database; it may hold a password.

        Raises:
            SettingsError: neither it nor `DPP_POSTGRES_DSN` was given.
        """
        if self.vault_dsn is not None:
            return self.vault_dsn.get_secret_value()
        return make_conninfo(self.dsn, dbname=VAULT_DATABASE)

    @property
    def log_folder(self) -> Path:
        """Folder of the transparency log, exactly as it is served."""
        return self.data / "log"

    @property
    def office_keys(self) -> OfficeKeys:
        """The FarmaFlux office's public keys, which every reader pins.

        Raises:
            SettingsError: none was given, or what was given is none.
        """
        if self.office_public_key is None:
            raise SettingsError("DPP_OFFICE_PUBLIC_KEY is not set: dpp office init prints it.")
        try:
            return OfficeKeys.parse(self.office_public_key)
        except ValueError:
            raise SettingsError(
                "DPP_OFFICE_PUBLIC_KEY is not a public key: give it as dpp office init or "
                "dpp office rotate prints it."
            ) from None

    def environment(self) -> dict[str, str]:
        """The environment variables that give a child process these settings, secrets included."""
        values = {
            name: value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            for name, value in self
            if value is not None
        }
        return {f"DPP_{name.upper()}": value for name, value in values.items()}


def load_settings(**given: Any) -> Settings:
    """Settings from the environment; `given` fields win over it.

    Raises:
        SettingsError: one sentence that names the variable, without its value.
    """
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        text = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:
            raise SettingsError(f"The settings do not fit together: {text}.") from None
        name = "DPP_" + "_".join(str(part) for part in first["loc"]).upper()
        raise SettingsError(f"The setting {name} is wrong: {text}.") from None
