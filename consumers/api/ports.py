"""What the API needs from outside, as ports; `run.py` gives the real ones, tests give their own."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from consumers.api.certificates import TrustedProxies
from consumers.api.gate import Gate
from consumers.api.ports_store import Store
from consumers.api.throttle import Throttle
from consumers.api.tokens import PublisherKeys
from consumers.api.tokens_dev import DevIssuer
from consumers.audit.prove import Proven
from projections.positions import Otherwise
from schemas.keyvault import KeyVault
from schemas.policy import PolicyName, PolicyVersion
from schemas.receipts import Receipt

Header = tuple[str, bytes]


class PositionTimeout(Exception):
    """A projection did not reach a position in time."""


@dataclass(frozen=True, slots=True)
class Appended:
    """Where the broker put a record, durably."""

    partition: int
    offset: int


class Log(Protocol):
    """Kafka, as far as the API touches it."""

    async def append(
        self, topic: str, *, key: bytes, headers: Sequence[Header], value: bytes
    ) -> Appended:
        """Appends one record with `acks=all`; returns once it is durable."""
        ...

    async def stable_ends(self, topic: str, partitions: Collection[int]) -> Mapping[int, int]:
        """The last stable offset of each partition, as of now."""
        ...

    async def ends_at(self, topic: str, moment: datetime) -> Mapping[int, int]:
        """Where each partition ended at a moment: everything before was appended before it."""
        ...

    async def recent_ends(self, topic: str) -> Mapping[int, int]:
        """The last stable offset of every partition, as of at most a second ago."""
        ...

    def partition_of(self, topic: str, key: bytes) -> int:
        """The partition of a key (murmur2)."""
        ...

    def partitions(self, topic: str) -> range:
        """All partitions of a topic."""
        ...


class Positions(Protocol):
    """How far the projections are."""

    async def wait(
        self,
        projection: str,
        topic: str,
        partition: int,
        position: int,
        timeout: float,  # noqa: ASYNC109 - a limit to waiting
    ) -> int:
        """The position applied, once it is at least `position`.

        Raises:
            PositionTimeout: not within `timeout` seconds.
        """
        ...

    async def reach(
        self,
        projection: str,
        topic: str,
        wanted: Mapping[int, int],
        timeout: float,  # noqa: ASYNC109 - a limit to waiting
        otherwise: Otherwise,
    ) -> Mapping[int, int]:
        """The positions applied, once they are at least those wanted.

        Raises:
            PositionTimeout: not within `timeout` seconds, and `otherwise` is not `stale`.
        """
        ...

    def current(self, projection: str, topic: str, partition: int) -> int:
        """The position applied now; 0 before the first."""
        ...


class SignedKey(Protocol):
    """The office-signed record that publishes an intake key, exactly as in the log."""

    @property
    def key(self) -> bytes:
        """Record key."""
        ...

    @property
    def headers(self) -> tuple[Header, ...]:
        """Record headers, the office's signature among them."""
        ...

    @property
    def value(self) -> bytes:
        """A `BackboneKeyPublished` as written."""
        ...


class Tables(PublisherKeys, Protocol):
    """The broadcast tables."""

    def policy(self, name: PolicyName, at: datetime) -> PolicyVersion:
        """The version in force."""
        ...

    def intake_keys(self) -> Sequence[SignedKey]:
        """The published intake keys that are not retired, newest last."""
        ...


@dataclass(frozen=True, slots=True)
class FactPosition:
    """Where a fact stands in `dpp.subject.registered`."""

    fact: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class RegistrationOutcome:
    """The receipt of a registration, and its facts as far as a committed reader returned them."""

    receipt: Receipt
    facts: tuple[FactPosition, ...]

    @property
    def committed(self) -> bool:
        """Whether a `read_committed` reader has returned every fact that the receipt names."""
        return len(self.facts) == len(self.receipt.facts)


class Outcomes(Protocol):
    """Follows receipts and facts of registrations."""

    async def wait(
        self,
        registration: str,
        place: Appended,
        timeout: float,  # noqa: ASYNC109 - a limit to waiting
    ) -> RegistrationOutcome | None:
        """The outcome of the registration appended at `place`, once it is known and committed.

        None when the time is up.
        """
        ...

    def find(self, registration: str) -> RegistrationOutcome | None:
        """The outcome of a registration made lately."""
        ...


class Registrar(Protocol):
    """The publisher `registrar`: seals registrations under its own session."""

    async def submit(self, *, subject: str, type_: str, id_: str, body: bytes) -> Appended:
        """Seals a registration and appends it to `dpp.subject.submitted`."""
        ...

    def forget_session(self) -> None:
        """Opens another session next time: the stage does not accept this one."""
        ...


class Product(Protocol):
    """What a catalogue knows of a code, as a value; an unknown name is empty."""

    def __hash__(self) -> int: ...

    @property
    def name_fr(self) -> str:
        """Name in French."""
        ...

    @property
    def name_nl(self) -> str:
        """Name in Dutch."""
        ...

    @property
    def atc(self) -> str:
        """ATC code."""
        ...

    @property
    def form(self) -> str:
        """Pharmaceutical form."""
        ...

    @property
    def pack(self) -> str:
        """Size of the pack."""
        ...


class Health(Protocol):
    """Whether the API can serve."""

    async def failures(self) -> Sequence[str]:
        """Names of the parts that do not answer or have stopped; empty when ready."""
        ...


class LoggedRecords(Protocol):
    """The transparency log, as its files are served."""

    async def read(self, path: str) -> bytes:
        """A file by its path below the log's prefix.

        Raises:
            LogFileMissing: the log has none.
        """
        ...

    async def prove(self, topic: str, partition: int, offset: int) -> Proven | None:
        """The leaf of the record at that place, and the proof of it; None before it is one."""
        ...


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """Limits and switches of the API; times are in seconds."""

    audience: str = "https://api.dpp.be"
    position_timeout: float = 5.0
    audit_timeout: float = 5.0
    registration_timeout: float = 10.0
    stream_poll: float = 15.0
    stream_seconds: float = 600.0
    docs: bool = False
    public_url: str = "http://127.0.0.1:8080"
    """Where clients reach the API: scheme, host and prefix."""
    requests_per_minute: int = 6000
    patients_per_hour: int = 200
    page_default: int = 100
    page_max: int = 500


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Everything that an app is built from."""

    vault: KeyVault
    tables: Tables
    log: Log
    positions: Positions
    store: Store
    logged: LoggedRecords
    outcomes: Outcomes
    registrar: Registrar
    gate: Gate
    throttle: Throttle
    products: Mapping[str, Product]
    """The catalogue by CNK."""
    health: Health
    clock: Callable[[], datetime]
    new_id: Callable[[], str]
    settings: ApiSettings = field(default_factory=ApiSettings)
    dev_issuer: DevIssuer | None = None
    proxies: TrustedProxies | None = None
    """Whose word on a client's certificate is taken."""
    unavailable_errors: tuple[type[Exception], ...] = ()
    """What adapters raise when the world outside does not answer: 503, to be tried again."""
