"""The process: what it says when it cannot begin."""

import socket

import pytest

from consumers.api import run
from infra.errors import InfrastructureError
from infra.settings import load_settings


def test_a_taken_port_is_one_clear_sentence_bad() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = load_settings(api_port=taken.getsockname()[1])
        with pytest.raises(InfrastructureError, match=r"cannot listen on .* DPP_API_PORT\.$"):
            run.bind(settings)


def test_port_zero_takes_a_free_one() -> None:
    with run.bind(load_settings(api_port=0)) as listening:
        assert listening.getsockname()[1] > 0


@pytest.mark.parametrize("key", [None, "%%%"])
async def test_without_the_offices_key_nothing_starts_bad(key: str | None) -> None:
    settings = load_settings(office_public_key=key)
    with pytest.raises(InfrastructureError, match="DPP_OFFICE_PUBLIC_KEY"):
        async with run.dependencies(settings):
            pass
