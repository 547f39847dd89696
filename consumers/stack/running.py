"""How a command reaches a backbone that runs in a data folder."""

import json
from pathlib import Path

from pydantic import SecretStr

from infra.errors import InfrastructureError
from infra.settings import Settings, load_settings

ENDPOINTS_FILE = "endpoints.json"


def running(data: Path) -> tuple[Settings, str]:
    """Settings that reach it, and the API's address, as `dpp up` wrote them.

    Raises:
        InfrastructureError: nothing was ever started in this folder.
    """
    file = data / ENDPOINTS_FILE
    try:
        found = json.loads(file.read_text())
        settings = load_settings(
            data=data,
            kafka_bootstrap=found["kafka_bootstrap"],
            postgres_dsn=SecretStr(found["postgres_dsn"]),
            vault_dsn=SecretStr(found["vault_dsn"]),
            office_public_key=found["office_public_key"],
        )
        return settings, str(found["api"])
    except (OSError, ValueError, KeyError):
        raise InfrastructureError(
            f"{file} cannot be read: start the backbone with dpp up --data {data} --dev-issuer."
        ) from None
