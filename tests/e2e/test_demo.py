"""The whole flow, every part a process of its own, on a real broker and a real database."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from consumers.catalogue import catalogue
from consumers.conformance.cases import CASES
from consumers.simulation.population import SimulationSize, populate
from consumers.stack.stack import Stack
from infra.embedded.cluster import EmbeddedInfrastructure
from infra.kafka import producer
from infra.settings import Settings, load_settings
from schemas.topics import DISPENSATION_RECORDED
from tests.support.dump import Forbidden, table_dump, topic_dump
from tests.support.engine_world import read_to_end

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
SEED: Final = 4
SIZE: Final = SimulationSize(8, 80, 800)
OPTIONS: Final = ("--seed", "4", "--pharmacies", "8", "--persons", "80", "--lines", "800")
DPP: Final = (sys.executable, "-m", "consumers.cli.main")
ROOT: Final = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder that a demo kept, and what it told."""
    folder = tmp_path_factory.mktemp("demo") / "kept"
    done = subprocess.run(
        [*DPP, "demo", "--json", "--data", str(folder), *OPTIONS],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    told = json.loads(done.stdout)
    assert done.returncode == 0, (
        told["differences"],
        [c for c in told["checks"] if not c["holds"]],
    )
    return folder, told


def test_every_count_and_every_expectation_of_the_demo_holds(
    kept: tuple[Path, dict[str, Any]],
) -> None:
    _, told = kept
    assert told["holds"]
    assert told["agrees"]
    assert told["differences"] == []
    assert len(told["checks"]) > 15
    assert "a witness has cosigned it" in {check["what"] for check in told["checks"]}
    assert all(check["holds"] for check in told["checks"])
    for group in told["counts"].values():
        for pair in group.values():
            assert pair["injected"] == pair["observed"]
    assert told["counts"]["dead letters"].keys() == {
        "no_key",
        "no_session",
        "unknown_publisher",
        "unknown_session",
    }


async def test_what_the_demo_keeps_names_no_person_and_no_product(
    kept: tuple[Path, dict[str, Any]],
) -> None:
    folder, _ = kept
    people = populate(SEED, SIZE)
    numbers = [one.niss for one in people.persons]
    caregivers = (*people.physicians, *people.nurses, *people.pharmacists)
    numbers += [number for one in caregivers for number in (one.niss, one.nihdi)]
    numbers += [one.cnk for one in catalogue.load()]
    names = [name for one in catalogue.load() for name in (one.name_fr, one.name_nl) if name]
    names += [one.name for one in people.persons]
    forbidden = Forbidden(numbers, names)
    seen = 0
    async with EmbeddedInfrastructure(folder) as servers:
        found = servers.endpoints
        settings = load_settings(kafka_bootstrap=found.kafka_bootstrap)
        dumps = [topic_dump(settings), table_dump(found.postgres_dsn), table_dump(found.vault_dsn)]
        for dump in dumps:
            async with aclosing(dump):
                async for content in dump:
                    seen += 1
                    assert forbidden.found(content) == []
    assert seen > 2000


def test_what_is_forbidden_in_a_dump_would_be_found() -> None:
    forbidden = Forbidden(["85000000105", "0029025"], ["Aspirine"])
    assert forbidden.found(b'{"niss":"85000000105"}') == [b"85000000105"]
    assert forbidden.found(b"(0029025,x)") == [b"0029025"]
    assert forbidden.found(b"Cardio Aspirine") == [b"Aspirine"]
    assert forbidden.found(b"x85000000105 00290251") == []


def test_a_kept_demo_goes_on_where_it_stopped_and_passes_the_conformance_kit(
    kept: tuple[Path, dict[str, Any]],
) -> None:
    folder, _ = kept
    command = [*DPP, "up", "--json", "--dev-issuer", "--port", "0", "--data", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as running:
        try:
            assert running.stdout is not None
            address = json.loads(running.stdout.readline())["api"]
            tokens = json.loads((folder / "endpoints.json").read_text())["tokens"]
            assert set(tokens) >= {"patient", "holder", "physician", "pharmacist", "pharmacy"}
            headers = {"Authorization": f"Bearer {tokens['patient']}"}
            answer = httpx.post(f"{address}/v1/me/history", json={}, headers=headers)
            assert answer.status_code == 200
            assert len(answer.json()["lines"]) > 3
            assert_conforms(folder)
        finally:
            running.send_signal(signal.SIGTERM)
    assert running.returncode == 0


def assert_conforms(folder: Path) -> None:
    done = subprocess.run(
        [*DPP, "conform", "--json", "--data", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    told = json.loads(done.stdout)
    assert [case for case in told["cases"] if case["verdict"] != "passed"] == []
    assert (told["passed"], done.returncode) == (len(CASES), 0)


def test_a_folder_that_holds_a_demo_is_not_used_again_bad(
    kept: tuple[Path, dict[str, Any]],
) -> None:
    folder, _ = kept
    command = [*DPP, "demo", "--json", "--data", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 3
    assert "holds a demo already" in done.stderr
    assert "Traceback" not in done.stderr


async def test_what_a_simulated_year_left_is_derived_again_and_a_planted_fact_is_found(
    kept: tuple[Path, dict[str, Any]],
) -> None:
    folder, _ = kept
    async with Stack(load_settings(data=folder, api_port=0)) as stack:
        code, report = await _rederived(stack.settings)
        assert (code, report["differences"]) == (0, [])
        # Of the person whom the demo erased nothing can be opened any more.
        erased = report["not_derivable"]
        assert list(erased) == ["subject_erased"], erased
        assert report["submissions"] - sum(erased.values()) == report["rederived"] > 300
        await _plant(stack.settings)
        code, report = await _rederived(stack.settings)
    assert code == 1
    assert [(one["kind"], one["topic"]) for one in report["differences"]] == [
        ("extra", DISPENSATION_RECORDED.name)
    ]


async def _rederived(settings: Settings) -> tuple[int, dict[str, Any]]:
    running = await asyncio.create_subprocess_exec(
        *(*DPP, "audit", "rederive", "quality", "--json", "--auditor", "Auditor 1"),
        env={**os.environ, **settings.environment()},
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await running.communicate()
    return running.returncode or 0, json.loads(told)


async def _plant(settings: Settings) -> None:
    """Appends a fact once more, with another score."""
    records = await read_to_end(settings, DISPENSATION_RECORDED.name)
    partition, found = next((number, facts[0]) for number, facts in records.items() if facts)
    value = json.dumps({**json.loads(found.value or b""), "score": 1}).encode()
    async with producer(settings) as sending:
        await sending.send(
            found.topic, value, key=found.key, headers=found.headers, partition=partition
        )
