"""The small ports of the API over memory: vault, published log, tables, registrar, health."""
# ruff: noqa: ARG002 - fakes take what their ports take

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from consumers.api.ports import Appended, Header
from consumers.audit.prove import Proven
from infra.keys.memory import MemoryVault
from schemas.keyvault import Shredded, SubjectSecret
from schemas.policy import PolicyName, PolicyVersion, baseline
from streams.notary.directory import LogFileMissing


class Down(Exception):
    """What an adapter raises when its server does not answer."""


class RecordingVault(MemoryVault):
    def __init__(self, trace: list[str]) -> None:
        super().__init__()
        self._trace = trace

    async def root_key(self, name: Any) -> bytes:
        self._trace.append(f"root_key:{name}")
        return await super().root_key(name)

    async def find_subject_secrets(
        self, wanted: Collection[tuple[str, int]]
    ) -> Mapping[tuple[str, int], SubjectSecret | Shredded]:
        self._trace.append("find_subject_secrets")
        return await super().find_subject_secrets(wanted)


@dataclass
class FakeLogged:
    trace: list[str]
    files: dict[str, bytes] = field(default_factory=dict)
    proven: dict[tuple[str, int, int], Proven] = field(default_factory=dict)

    async def read(self, path: str) -> bytes:
        if path not in self.files:
            raise LogFileMissing(path)
        return self.files[path]

    async def prove(self, topic: str, partition: int, offset: int) -> Proven | None:
        self.trace.append("prove")
        return self.proven.get((topic, partition, offset))


@dataclass(frozen=True)
class Signed:
    key: bytes
    headers: tuple[Header, ...]
    value: bytes


@dataclass
class FakeTables:
    keys: dict[tuple[str, str], bytes] = field(default_factory=dict)
    intake: tuple[Signed, ...] = ()
    versions: dict[PolicyName, PolicyVersion] = field(default_factory=dict)
    """In place of those that ship with the code."""

    def active_key(self, publisher: str, key_id: str, at: datetime) -> bytes | None:
        return self.keys.get((publisher, key_id))

    def policy(self, name: PolicyName, at: datetime) -> PolicyVersion:
        return self.versions.get(name) or baseline(name)

    def intake_keys(self) -> tuple[Signed, ...]:
        return self.intake


@dataclass
class FakeRegistrar:
    submitted: list[tuple[str, str, str, bytes]] = field(default_factory=list)
    forgotten: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def submit(self, *, subject: str, type_: str, id_: str, body: bytes) -> Appended:
        self.submitted.append((subject, type_, id_, body))
        self.arrived.set()
        return Appended(0, len(self.submitted) - 1)

    def forget_session(self) -> None:
        self.forgotten += 1


@dataclass
class FakeHealth:
    failing: list[str] = field(default_factory=list)

    async def failures(self) -> list[str]:
        return self.failing
