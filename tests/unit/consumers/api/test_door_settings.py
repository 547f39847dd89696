"""Settings of the door: what belongs together, and one sentence when it does not."""

from pathlib import Path
from typing import Any

import pytest

from consumers.api import run
from consumers.api.certificates import TrustedProxies
from infra.settings import SettingsError, load_settings

TOGETHER_BAD: dict[str, tuple[dict[str, Any], str]] = {
    "a certificate without its key": ({"api_tls_cert_file": "a"}, "API_TLS_KEY_FILE"),
    "clients' CA without TLS": ({"api_tls_client_ca_file": "a"}, "needs DPP_API_TLS_CERT_FILE"),
    "a header that nobody may set": ({"api_client_cert_header": "x"}, "API_TRUSTED_PROXIES"),
    "proxies without a header": ({"api_trusted_proxies": "::1"}, "API_CLIENT_CERT_HEADER"),
    "two sources of certificates": (
        {
            "api_tls_cert_file": "a",
            "api_tls_key_file": "b",
            "api_client_cert_header": "x",
            "api_trusted_proxies": "::1",
        },
        "not from both",
    ),
    "an address with a query": ({"api_public_url": "https://a/?b"}, "DPP_API_PUBLIC_URL"),
    "no limit": ({"api_requests_per_minute": 0}, "DPP_API_REQUESTS_PER_MINUTE"),
}


@pytest.mark.parametrize("kind", TOGETHER_BAD)
def test_what_does_not_fit_together_is_one_sentence_bad(kind: str) -> None:
    given, named = TOGETHER_BAD[kind]
    with pytest.raises(SettingsError, match=named):
        load_settings(**given)


def test_where_clients_reach_the_api_is_where_it_listens_unless_told_otherwise() -> None:
    plain = load_settings(api_host="127.0.0.1", api_port=9000)
    assert run.api_settings(plain).public_url == "http://127.0.0.1:9000"
    tls = load_settings(api_port=9000, api_tls_cert_file="a", api_tls_key_file="b")
    assert run.api_settings(tls).public_url == "https://127.0.0.1:9000"
    named = load_settings(api_public_url="https://api.dpp.be/record")
    assert run.api_settings(named).public_url == "https://api.dpp.be/record"


def test_proxies_are_addresses_and_networks() -> None:
    proxies = TrustedProxies.parse("Client-Cert", "10.0.0.0/8, ::1,")
    assert [proxies.trusts(one) for one in ("10.1.2.3", "::1", "11.0.0.1", "unix", None)] == [
        True,
        True,
        False,
        False,
        False,
    ]
    settings = load_settings(api_client_cert_header="x", api_trusted_proxies="everybody")
    with pytest.raises(SettingsError, match="DPP_API_TRUSTED_PROXIES"):
        run._proxies(settings)


@pytest.mark.parametrize("content", [None, "{", '{"issuers":[{"issuer":"secret-name"}]}'])
def test_a_file_of_issuers_that_cannot_be_used_is_one_sentence_bad(
    tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "issuers.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SettingsError, match="DPP_ISSUERS_FILE") as error:
        run._issuers(load_settings(issuers_file=file), None)
    assert "secret-name" not in str(error.value)
