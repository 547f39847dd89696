"""The readers' guide to the FHIR face: its code runs as it stands."""

import ast
import inspect
import re
from datetime import timedelta
from pathlib import Path

import httpx

from projections.access import AccessFacts, Link
from tests.unit.consumers.api.cast import ANN, NOW
from tests.unit.consumers.api.world import World

GUIDE = Path(__file__).parents[5] / "docs" / "readers" / "fhir.md"


async def test_the_code_of_the_guide_runs_from_top_to_bottom(world: World) -> None:
    for days in (3, 5, 8):
        await world.add_line(days_ago=days)
    link = Link("l", await world.professional(), "consultation", NOW, NOW + timedelta(days=9))
    world.store.facts[await world.subject(ANN)] = AccessFacts(consent="c", links=(link,))
    blocks = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    code = compile("".join(blocks), str(GUIDE), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    transport = httpx.ASGITransport(app=world.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as api:
        told: dict[str, object] = {"api": api, "token": world.caregiver()}
        running = eval(code, told)  # noqa: S307 - our page
        assert inspect.iscoroutine(running)
        await running
    following = told["following"]
    assert isinstance(following, dict)
    assert len(following["entry"]) == 1
