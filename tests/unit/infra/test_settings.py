"""Settings: names, defaults, and one sentence when they are wrong."""

import os

import pytest

from infra.kafka import connection_options
from infra.settings import Settings, SettingsError, load_settings


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("DPP_")]:
        monkeypatch.delenv(name)


def _from(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(f"DPP_{name}", value)
    return load_settings()


def test_addresses_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _from(
        monkeypatch,
        KAFKA_BOOTSTRAP="a:1,b:2",
        POSTGRES_DSN="postgresql://u:p@db:5433/dpp",
        DATA="kept",
        API_PORT="9000",
        LOG_FORMAT="console",
        DEV_ISSUER="true",
    )
    assert (found.bootstrap, found.dsn) == ("a:1,b:2", "postgresql://u:p@db:5433/dpp")
    assert (str(found.data), found.api_port, found.log_format) == ("kept", 9000, "console")
    assert found.dev_issuer


def test_the_vault_is_a_database_of_its_own_on_the_same_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = _from(monkeypatch, POSTGRES_DSN="postgresql://u:p@db:5433/dpp")
    assert found.vault == "user=u password=p dbname=vault host=db port=5433"


def test_the_vault_can_be_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _from(monkeypatch, POSTGRES_DSN="dbname=dpp", VAULT_DSN="dbname=keys")
    assert found.vault == "dbname=keys"


def test_the_development_issuer_is_off_by_default() -> None:
    assert not load_settings().dev_issuer


def test_a_missing_address_says_what_to_set() -> None:
    with pytest.raises(SettingsError, match="DPP_KAFKA_BOOTSTRAP is not set"):
        _ = load_settings().bootstrap
    with pytest.raises(SettingsError, match="DPP_POSTGRES_DSN is not set"):
        _ = load_settings().vault


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"KAFKA_BOOTSTRAP": "nohost"}, "DPP_KAFKA_BOOTSTRAP is wrong: must be host:port"),
        ({"API_PORT": "70000"}, "DPP_API_PORT is wrong"),
        ({"LOG_FORMAT": "xml"}, "DPP_LOG_FORMAT is wrong"),
        ({"POSTGRES_DSN": "host=a s3cret"}, "DPP_POSTGRES_DSN is wrong: is not a PostgreSQL"),
        ({"KAFKA_PROTOCOL": "SASL_SSL"}, "DPP_KAFKA_USER and DPP_KAFKA_PASSWORD"),
        ({"KAFKA_CERT_FILE": "a"}, "belong together"),
        ({"KEK": "a", "KEK_FILE": "b"}, "not both"),
    ],
)
def test_a_wrong_setting_is_one_sentence_bad(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], sentence: str
) -> None:
    with pytest.raises(SettingsError, match=sentence) as caught:
        _from(monkeypatch, **environment)
    assert "\n" not in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _from(
        monkeypatch,
        POSTGRES_DSN="postgresql://u:s3cret@db/dpp",
        KEK="s3cret",
        KAFKA_PASSWORD="s3cret",
    )
    assert "s3cret" not in repr(found)
    assert "s3cret" not in found.model_dump_json()


def test_sasl_reaches_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _from(
        monkeypatch,
        KAFKA_BOOTSTRAP="a:1",
        KAFKA_PROTOCOL="SASL_SSL",
        KAFKA_USER="me",
        KAFKA_PASSWORD="s3cret",
    )
    options = connection_options(found)
    assert options.pop("ssl_context").check_hostname
    assert options == {
        "bootstrap_servers": "a:1",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "me",
        "sasl_plain_password": "s3cret",
    }


def test_unreadable_certificates_are_one_sentence_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _from(
        monkeypatch, KAFKA_BOOTSTRAP="a:1", KAFKA_PROTOCOL="SSL", KAFKA_CA_FILE="nowhere.pem"
    )
    with pytest.raises(SettingsError, match="DPP_KAFKA_CA_FILE"):
        connection_options(found)
