"""The forms that `docs/registrations.md` shows are forms that the API takes."""

import json
import re
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from consumers.api.registration_forms import RegistrationForm
from schemas.policy import baseline
from tests.unit.consumers.api.world import World

PAGE = (Path(__file__).parents[4] / "docs" / "registrations.md").read_text()
FORMS = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
FORM: TypeAdapter[RegistrationForm] = TypeAdapter(RegistrationForm)


@pytest.mark.parametrize("written", FORMS)
async def test_a_form_is_taken_by_the_api(world: World, written: str) -> None:
    form = FORM.validate_python(json.loads(written))
    claims = {"niss": "60000000195", "organisation": "0999000129"}
    token = (
        world.token("insurer", **claims)
        if form.kind in ("declare_parent", "merge_identity")
        else world.patient()
    )
    answer = await world.ask("/v1/registrations", token, json.loads(written))
    assert answer.status_code == 202


def test_the_page_names_the_policy_as_it_is() -> None:
    policy = baseline("access").access
    assert FORMS
    assert f"`consent_from_age` ({policy.consent_from_age})" in PAGE
    assert f"`parent_until_age`, {policy.parent_until_age}" in PAGE
    rows = dict(re.findall(r"^\| `(\w+)`.*?\| (\d+) months? \|", PAGE, re.MULTILINE))
    told = {name: policy.link_months[name] for name in rows if name in policy.link_months}
    assert told == {name: int(months) for name, months in rows.items()}
