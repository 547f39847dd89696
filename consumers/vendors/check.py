"""Checks submissions before they are published: what their receipts would say, in memory.

A file holds one submission, a JSON list of them, or one on each line. Each is a body as it would be
sealed, or `{"type": ..., "body": ...}` where it is no registration. Bodies are passed on as they
stand, so that what a lenient parser would mend is found.
"""

import json
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from importlib import resources
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from consumers.simulation.plan import Mutation
from consumers.simulation.records import Sessions, outgoing
from consumers.vendors.offline import OfflineBackbone
from consumers.vendors.testers import PHARMACY
from schemas.dispensation import CORRECT, REGISTER, REVOKE, SUBMISSION_BODIES
from schemas.policy import PolicyVersion, QualityPolicy
from schemas.publisher import Contract, Enrolled
from schemas.receipts import Issue, Receipt
from streams.intake.keys import SigningKey

TYPES: Final = {"register": REGISTER, "correct": CORRECT, "revoke": REVOKE}
"""Short names of the event types."""
_WRAPPER: Final = {"type", "body"}
_BETWEEN: Final = re.compile(r"[ \t\r\n,:]*")
_DECODER: Final = json.JSONDecoder()
_POLICY_NAME: Final = re.compile(r"quality/[1-9][0-9]{0,5}\Z")
_LONG_AGO: Final = timedelta(days=1)


class UnknownPolicy(Exception):
    """A policy version is neither one that ships with the code nor a readable file."""


class Worst(IntEnum):
    """The exit code of a check: the worst that a receipt says."""

    ACCEPTED = 0
    """Everything is accepted or a duplicate, and there is nothing to say about it."""
    WARNED = 10
    PARTIAL = 20
    REJECTED = 30


@dataclass(frozen=True, slots=True)
class Given:
    """One submission as the file has it."""

    type: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Sendable:
    """`consumers.simulation.records.Sendable` of a submission to be checked."""

    type: str
    sequence: int
    body: bytes = field(repr=False)
    sender: str = PHARMACY
    key: str = PHARMACY
    epoch: str = "check"
    mutation: Mutation = "none"

    @property
    def id(self) -> str:
        return str(uuid.UUID(int=self.sequence))


def read(data: bytes, type_: str = REGISTER) -> list[Given]:
    """The submissions in a file; `type_` is that of bodies whose type the file does not say."""
    text = data.decode("utf-8", "surrogateescape")
    return [_given(one, type_) for one in _submissions(text)]


def policy_version(given: str) -> PolicyVersion:
    """A version of the quality policy by its name, such as `quality/1`, or in a file.

    Raises:
        UnknownPolicy: there is none.
    """
    place = Path(given)
    if _POLICY_NAME.match(given):
        place = (
            Path(str(resources.files("schemas"))) / "policies" / f"{given.replace('/', '-')}.json"
        )
    try:
        version = PolicyVersion.read(place.read_bytes())
    except OSError as error:
        raise UnknownPolicy(f"The policy {given} cannot be read: {error.strerror}.") from None
    except ValidationError as error:
        at = "/".join(map(str, error.errors()[0]["loc"]))
        raise UnknownPolicy(f"The file {given} is no policy version: see {at}.") from None
    if not isinstance(version.data, QualityPolicy):
        raise UnknownPolicy(f"The file {given} holds a version of another policy than quality.")
    return version


async def check(
    submissions: Iterable[Given], at: datetime, policy: PolicyVersion | None = None
) -> list[Receipt]:
    """The receipt of each, decided in order as if appended at that time.

    `policy` decides whatever its validity; without it the version that is in force does.
    """
    policies = () if policy is None else (policy.model_copy(update={"valid_from": at - _LONG_AGO}),)
    backbone = OfflineBackbone(policies)
    key = SigningKey.generate("offline")
    contract = Contract(event_types=tuple(SUBMISSION_BODIES), valid_from=at - _LONG_AGO)
    enrolled = Enrolled(
        publisher=PHARMACY,
        publisher_kind="pharmacy",
        key=key.enrolment(PHARMACY),
        contract=contract,
    )
    backbone.enrol(enrolled, at - _LONG_AGO)
    sessions = Sessions({PHARMACY: await backbone.open_session(PHARMACY, key, at)}, {})
    receipts: list[Receipt] = []
    for sequence, one in enumerate(submissions, 1):
        record = outgoing(_Sendable(one.type, sequence, one.body), sessions, at)
        *_, answer = await backbone.submit(record, at)
        receipts.append(Receipt.read(answer.value or b""))
    return receipts


def issues(receipt: Receipt) -> tuple[Issue, ...]:
    """Every finding of a receipt, those about the message first."""
    return (*receipt.issues, *(issue for line in receipt.lines for issue in line.issues))


def worst(receipts: Iterable[Receipt]) -> Worst:
    """The worst that the receipts say."""
    return max((_worst(one) for one in receipts), default=Worst.ACCEPTED)


def _worst(receipt: Receipt) -> Worst:
    if receipt.outcome == "rejected":
        return Worst.REJECTED
    if receipt.outcome == "partial":
        return Worst.PARTIAL
    return Worst.WARNED if issues(receipt) else Worst.ACCEPTED


def _submissions(text: str) -> list[str]:
    """The text of each submission; what is no JSON at all is one, which will be refused."""
    if _is_json(text):
        return _parts(text) if text.lstrip().startswith("[") else [text]
    lines = [line for line in text.splitlines() if line.strip()]
    return lines if any(_is_json(line) for line in lines) else [text]


def _given(text: str, type_: str) -> Given:
    if _is_json(text) and text.lstrip().startswith("{"):
        parts = _parts(text)
        members = dict(zip(map(json.loads, parts[::2]), parts[1::2], strict=True))
        if members.keys() == _WRAPPER:
            named = json.loads(members["type"])
            return Given(TYPES.get(str(named), str(named)), _bytes(members["body"]))
    return Given(type_, _bytes(text.strip()))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _parts(text: str) -> list[str]:
    """The texts of the elements of an array, or of the names and values of an object, in turn."""
    found: list[str] = []
    at = len(text) - len(text.lstrip()) + 1
    while True:
        between = _BETWEEN.match(text, at)
        at = between.end() if between else at
        if text[at] in "]}":
            return found
        _, end = _DECODER.raw_decode(text, at)
        found.append(text[at:end])
        at = end


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
