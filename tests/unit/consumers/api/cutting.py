"""Ports that are cut: the n-th call of a request fails, or never comes back."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

from consumers.api.app import create_app
from consumers.api.ports import Dependencies
from tests.unit.consumers.api.fakes import Down
from tests.unit.consumers.api.world import World

How = Literal["down", "hangs"]
PORTS = ("vault", "log", "positions", "store")


@dataclass
class Cut:
    """Counts the calls of a request, and cuts the one that is due."""

    at: int | None = None
    how: How = "down"
    calls: list[str] = field(default_factory=list)
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def pass_through(self, name: str) -> None:
        self.calls.append(name)
        if len(self.calls) - 1 != self.at:
            return
        self.reached.set()
        if self.how == "down":
            raise Down
        await asyncio.Event().wait()


class _Port:
    """Any port of the world; only what is awaited can be cut."""

    def __init__(self, inner: object, name: str, cut: Cut) -> None:
        self._inner, self._name, self._cut = inner, name, cut

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not asyncio.iscoroutinefunction(found):
            return found

        async def called(*arguments: object, **named: object) -> object:
            await self._cut.pass_through(f"{self._name}.{name}")
            return await cast("Callable[..., Any]", found)(*arguments, **named)

        return called


def cut_at(world: World, at: int | None, how: How = "down") -> Cut:
    """From here on the world's app is one whose `at`-th call of a port is cut."""
    cut = Cut(at, how)
    ports: dict[str, Any] = {name: _Port(getattr(world.deps, name), name, cut) for name in PORTS}
    deps: Dependencies = replace(world.deps, **ports)
    world.app = create_app(deps)
    return cut
