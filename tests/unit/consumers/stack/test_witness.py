"""The witness that runs beside the rest: it knows the log's public keys and its folder, no more."""

from pathlib import Path

import pytest

from consumers.keys.log_keys import LogKeyFiles
from consumers.stack import stack
from consumers.stack.office import first_keys, log_key_path, log_verifier
from consumers.stack.stack import Stack
from consumers.witness.keeping import witness_verifier
from infra.settings import Settings, load_settings
from streams.notary import notes
from streams.notary.cosigning import witnesses_from

DSN = "postgresql://dpp:secret@db.example/dpp"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    given = load_settings(
        data=tmp_path, kafka_bootstrap="kafka.example:9092", postgres_dsn=DSN, api_port=8080
    )
    return first_keys(given)


def test_it_is_told_its_folder_and_the_logs_public_key_and_folder_alone(settings: Settings) -> None:
    part = stack._witness(settings, 8090, 8091)
    key = str(log_verifier(settings))
    told = ("--log", key, "--published", str(settings.log_folder))
    assert part.command == ("witness", "serve", *told, "--port", "8090")
    assert part.environment["DPP_DATA"] == str(settings.data)
    for name in ("POSTGRES_DSN", "VAULT_DSN", "KEK_FILE", "LOG_KEY_FILE", "KAFKA_BOOTSTRAP"):
        assert f"DPP_{name}" not in part.environment


def test_while_the_logs_key_changes_it_knows_both_keys_the_older_first(
    settings: Settings,
) -> None:
    former = log_verifier(settings)
    made = LogKeyFiles(log_key_path(settings)).make_next()
    successor = notes.verifier(settings.log_origin, made.private)
    command = stack._witness(settings, 8090, 8091).command
    assert command[2:6] == ("--log", str(former), "--log", str(successor))


@pytest.mark.parametrize("elsewhere", [None, "https://w.example"])
def test_the_notary_asks_it_beside_those_that_are_named(
    settings: Settings, elsewhere: str | None
) -> None:
    own = witness_verifier(settings)
    named = None if elsewhere is None else f"{elsewhere} {own}"
    settings = settings.model_copy(update={"log_witnesses": named})
    made = Stack(settings)
    made._make_parts(settings, own)
    asked = witnesses_from(made.parts["notary"].environment["DPP_LOG_WITNESSES"])
    assert [one.verifier for one in asked] == [own] * (1 if elsewhere is None else 2)
    assert made.api_url.endswith(":8080")
    assert len({one.port for one in made.parts.values()}) == len(made.parts)
