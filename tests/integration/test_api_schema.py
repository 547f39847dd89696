"""The committed OpenAPI document against the app, with every check that Schemathesis has.

Whatever the document allows is asked, and much that it does not; every answer must be one that the
document promises, in status, type and schema, and nothing is answered without a token.
"""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.config import SchemathesisConfig

from consumers.api.app import create_app
from schemas.envelope import SEALED
from tests.unit.consumers.api.test_cuts import furnished
from tests.unit.consumers.api.world import World

COMMITTED = Path(__file__).parents[2] / "docs" / "api" / "openapi.json"
CONFIG = {
    "checks": {
        # Numbers with check digits and cursors that we sealed are not to be hit by chance.
        "positive_data_acceptance": {
            "expected-statuses": ["2xx", "400", "403", "404", "413", "415", "422"]
        },
        "negative_data_rejection": {
            "expected-statuses": ["400", "401", "403", "404", "405", "413", "415", "422"]
        },
        # Reads of what is not there are decided, not found or not found.
        "not_a_server_error": {"expected-statuses": ["2xx", "4xx"]},
    },
}
pytestmark = pytest.mark.integration
STREAMS = "/v1/receipts/stream"
EXAMPLES = 4
"""Besides those of its coverage phase, which walks every bound of every member."""


@schemathesis.serializer(SEALED)
def as_it_is(_context: Any, value: Any) -> bytes:
    """A sealed body is bytes."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()


_world: World = asyncio.run(furnished())
load_all_checks()
schema = schemathesis.openapi.from_dict(
    json.loads(COMMITTED.read_bytes()), config=SchemathesisConfig.from_dict(CONFIG)
)
# Nobody decides registrations here, so none waits for its outcome.
_limits = replace(_world.limits, registration_timeout=0.001)
schema.app = create_app(replace(_world.deps, settings=_limits))


FORM = "application/x-www-form-urlencoded"


def _checks(case: Any) -> list[Any]:
    """All, but a wrong member of a form may be one that no form can hold: it is sent as none."""
    left_out = {"negative_data_rejection"} if case.media_type == FORM else set[str]()
    return [check for check in CHECKS.get_all() if check.__name__ not in left_out]


def _token(path: str) -> str:
    """Of somebody who has business there, so that more than a refusal is seen."""
    if "quality" in path:
        return _world.token("operator")
    if any(part in path for part in ("pharmacy/disp", "receipts", "submissions", "publisher")):
        return _world.pharmacy()
    if "patients" in path:
        return _world.caregiver()
    if path.startswith("/log/tile/entries"):
        return _world.token("auditor")
    return _world.patient()


@schema.exclude(path=STREAMS).parametrize()
@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None
)
def test_every_operation_keeps_what_the_document_promises(case: Any) -> None:
    headers = {"Authorization": f"Bearer {_token(case.operation.path)}"}
    case.call_and_validate(headers=headers, checks=_checks(case))
