"""Performs a plan of registrations through the API, as anybody else would."""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import httpx
import stamina

from consumers.simulation.registrations import (
    Chain,
    PlannedRegistration,
    RegistrationPlan,
    TokenPersona,
)
from infra.errors import InfrastructureError

Tokens = Callable[[TokenPersona], str]
Progress = Callable[[int, int], None]
PATH: Final = "/v1/registrations"
_CREATED: Final = 201
_PENDING: Final = 202
_REFUSED: Final = 422
_BUSY: Final = frozenset({429, 503})
_ASK_SECONDS: Final = 0.1
_TRIES: Final = 300
_PATIENCE_SECONDS: Final = 60.0


class RegistrationFailed(InfrastructureError):
    """The API did not answer as it should; the text names the step, never a person."""


@dataclass(slots=True)
class Registered:
    """What came of it: counts by outcome (`201` or the refusal's code), and what was unexpected."""

    outcomes: dict[str, int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)

    def note(self, place: str, planned: PlannedRegistration, outcome: str) -> None:
        """Take in one outcome."""
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        wanted = planned.refusal or str(_CREATED)
        if outcome != wanted:
            self.differences.append(f"{place}: expected {wanted}, observed {outcome}")


async def register(
    plan: RegistrationPlan,
    client: httpx.AsyncClient,
    tokens: Tokens,
    *,
    concurrency: int = 16,
    progress: Progress | None = None,
) -> Registered:
    """Performs every chain, `concurrency` at a time, each in its order.

    `client` has the API's base URL; `tokens` answers a bearer token for somebody.

    Raises:
        RegistrationFailed: an answer that is neither an acceptance nor a refusal.
        httpx.HTTPError: the API does not answer.
    """
    registered = Registered()
    total = sum(map(len, plan.chains))
    waiting = iter(enumerate(plan.chains))
    caller = _Caller(client, tokens)
    done = 0

    async def work() -> None:
        nonlocal done
        for number, chain in waiting:
            await _perform(caller, number, chain, registered)
            done += len(chain)
            if progress is not None:
                progress(done, total)

    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(work())
    return registered


async def _perform(caller: "_Caller", number: int, chain: Chain, registered: Registered) -> None:
    ids: dict[str, str] = {}
    for planned in chain:
        body = dict(planned.body)
        if planned.refers is not None:
            member, label = planned.refers
            body[member] = ids.get(label, "")
        place = f"chain {number}, {planned.body['kind']} ({planned.label})"
        outcome, id_ = await caller.register(place, planned.author, body)
        ids[planned.label] = id_
        registered.note(place, planned, outcome)


class _Caller:
    """Calls the API with the right token, again while it is busy, away or not done yet.

    A request whose answer was lost is repeated under its key, so that it registers once.
    """

    def __init__(self, client: httpx.AsyncClient, tokens: Tokens) -> None:
        self._client = client
        self._tokens = tokens

    async def register(
        self, place: str, author: TokenPersona, body: dict[str, object]
    ) -> tuple[str, str]:
        """The outcome of one registration and its id (empty if it was refused)."""
        headers = {
            "Authorization": f"Bearer {self._tokens(author)}",
            "Idempotency-Key": uuid.uuid4().hex,
        }
        answer = await self._patiently("POST", PATH, headers, body)
        if answer.status_code == _PENDING:
            return await self._follow(place, headers, answer.json()["id"])
        if answer.status_code == _CREATED:
            return str(_CREATED), answer.json()["id"]
        if answer.status_code == _REFUSED:
            return _refusal(answer.json()), ""
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            raise RegistrationFailed(
                "The API does not take development tokens: start dpp up with --dev-issuer."
            )
        raise RegistrationFailed(f"{place}: the API answered {answer.status_code}.")

    async def _follow(self, place: str, headers: dict[str, str], id_: str) -> tuple[str, str]:
        for _ in range(_TRIES):
            answer = await self._patiently("GET", f"{PATH}/{id_}", headers, None)
            found = answer.json()
            if found.get("state") == "committed":
                return str(_CREATED), id_
            if found.get("state") == "refused":
                return _refusal(found), ""
            await asyncio.sleep(_ASK_SECONDS)
        raise RegistrationFailed(f"{place}: no outcome after {_TRIES * _ASK_SECONDS:g} s.")

    async def _patiently(
        self, method: str, path: str, headers: dict[str, str], body: dict[str, object] | None
    ) -> httpx.Response:
        async for attempt in stamina.retry_context(
            on=(_Busy, httpx.TransportError), attempts=None, timeout=_PATIENCE_SECONDS, wait_max=1.0
        ):
            with attempt:
                answer = await self._client.request(method, path, json=body, headers=headers)
                if answer.status_code in _BUSY:
                    raise _Busy("The API was busy for too long: look at its /readyz.")
        return answer


class _Busy(RegistrationFailed):
    """The API asks to try again."""


def _refusal(document: dict[str, object]) -> str:
    errors = document.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else {}
    return str(first.get("code")) if isinstance(first, dict) else ""
