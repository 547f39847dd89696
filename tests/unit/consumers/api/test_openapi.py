"""The committed OpenAPI document is what the code serves."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from consumers.api.app import create_app, document_bytes
from consumers.api.tokens_dev import DevIssuer
from tests.unit.consumers.api.cast import ANN, AUDIENCE
from tests.unit.consumers.api.world import World

COMMITTED = Path(__file__).parents[4] / "docs" / "api" / "openapi.json"


def test_the_committed_document_is_current() -> None:
    assert COMMITTED.read_bytes() == document_bytes(), (
        "docs/api/openapi.json is not what the code serves: run "
        "python -m consumers.api.openapi docs/api/openapi.json"
    )


async def test_the_document_is_served(world: World) -> None:
    answer = await world.ask("/openapi.json", method="GET")
    assert answer.json() == json.loads(COMMITTED.read_bytes())


def _operations() -> dict[str, dict[str, Any]]:
    paths = json.loads(COMMITTED.read_bytes())["paths"]
    return {f"{m} {p}": op for p, ops in paths.items() for m, op in ops.items()}


def test_every_operation_under_v1_asks_for_a_token() -> None:
    assert all(op.get("security") for name, op in _operations().items() if " /v1/" in name)


def test_every_operation_under_v1_promises_problem_documents() -> None:
    for name, operation in _operations().items():
        if " /v1/" in name:
            for status in ("400", "401", "403", "503"):
                assert "application/problem+json" in operation["responses"][status]["content"]


def test_every_operation_under_fhir_promises_operation_outcomes() -> None:
    secured = {n: op for n, op in _operations().items() if " /fhir/" in n and "metadata" not in n}
    assert len(secured) == 5
    for operation in secured.values():
        assert operation["security"]
        for status in ("400", "401", "403", "503"):
            assert "application/fhir+json" in operation["responses"][status]["content"]


def test_no_address_holds_an_identifier_of_a_person() -> None:
    parameters = {
        (name, parameter["name"])
        for name, operation in _operations().items()
        for parameter in operation.get("parameters", ())
        if parameter["in"] in ("path", "query")
    }
    assert parameters == {
        ("get /v1/registrations/{registration}", "registration"),
        ("get /log/tile/{path}", "path"),
        ("get /log/tile/entries/{path}", "path"),
        # Sealed, and of use to the reader alone that it was given to.
        ("get /fhir/MedicationDispense", "_page"),
        ("get /fhir/AuditEvent", "_page"),
    }


async def test_the_development_issuer_answers_only_where_it_is_on(
    world: World, tmp_path: Path
) -> None:
    issuer = DevIssuer.open(tmp_path, AUDIENCE)
    app = create_app(replace(world.deps, dev_issuer=issuer))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        good = await client.post("/dev/token", json={"role": "patient", "niss": ANN})
        bad = await client.post("/dev/token", json={"role": "king"})
    assert good.json()["token_type"] == "Bearer"
    assert good.json()["access_token"].count(".") == 2
    assert bad.status_code == 400
    assert document_bytes() == COMMITTED.read_bytes()
