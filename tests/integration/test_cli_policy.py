"""`dpp policy`: a version is registered once, in time, and only if it would have its effect."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from consumers.catalogue.sample import ensure_sample
from consumers.cli.main import app
from consumers.stack.office import first_keys
from infra.catalogue.postgres import migrations_source
from infra.migrations import migrate
from infra.settings import Settings
from schemas.policy import baseline

pytestmark = pytest.mark.integration
USAGE, UNAVAILABLE = 2, 3


@pytest.fixture
async def office(topics_applied: Settings, fresh_database: str, tmp_path: Path) -> dict[str, str]:
    """Environment of an office of the test's own, with the sample catalogue."""
    await migrate([migrations_source(fresh_database)])
    await ensure_sample(fresh_database)
    own = topics_applied.model_copy(update={"data": tmp_path, "postgres_dsn": fresh_database})
    return first_keys(own).environment()


def policy(office: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(app, ["policy", *arguments], env=office)


def version(tmp_path: Path, minutes: float = 60, **data: Any) -> str:
    made = json.loads(baseline("quality").write())
    made["version"] = f"quality/{uuid.uuid4().int % 900_000 + 1000}"
    made["valid_from"] = (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()
    made["data"] |= data
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(made))
    return str(file)


def test_a_version_is_registered_listed_and_shown(office: dict[str, str], tmp_path: Path) -> None:
    file = version(tmp_path, units_max=77)
    done = policy(office, "register", file, "--json")
    assert done.exit_code == 0, done.output
    name = json.loads(done.stdout)["registered"]
    listed = json.loads(policy(office, "list", "--json").stdout)["policies"]
    in_force = {one["version"]: one["in_force"] for one in listed if one["policy"] == "quality"}
    assert in_force == {"quality/1": False, "quality/2": True, name: False}
    shown = json.loads(policy(office, "show", name).stdout)
    assert (shown["version"], shown["data"]["units_max"]) == (name, 77)
    again = policy(office, "register", file)
    assert again.exit_code == USAGE
    assert "exists already" in again.stderr


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"minutes": 9}, USAGE, "less than 10 minutes"),
        ({"severities": {"NO_SUCH": "warn"}}, USAGE, "NO_SUCH is no code"),
        ({"severities": {"LINE_UNKNOWN": "warn"}}, USAGE, "LINE_UNKNOWN is not policy's to set"),
        ({"catalogue": "sam/never"}, UNAVAILABLE, "sam/never is not loaded"),
        ({"unit_max": 3}, USAGE, "at /data/quality/unit_max"),
    ],
)
def test_what_would_have_no_effect_is_not_registered_bad(
    office: dict[str, str], tmp_path: Path, changes: dict[str, Any], code: int, said: str
) -> None:
    before = policy(office, "list", "--json").stdout
    done = policy(office, "register", version(tmp_path, **changes))
    assert done.exit_code == code
    assert said in done.stderr
    assert policy(office, "list", "--json").stdout == before


def test_a_version_that_does_not_exist_bad(office: dict[str, str]) -> None:
    done = policy(office, "show", "quality/900")
    assert (done.exit_code, "dpp policy list" in done.stderr) == (USAGE, True)
