"""The vault in memory keeps the promises of every vault."""

import pytest

from infra.keys.memory import MemoryVault
from schemas.keyvault import KeyVault
from tests.contracts.keyvault import KeyVaultContract


class TestMemoryVault(KeyVaultContract):
    @pytest.fixture
    def vault(self) -> KeyVault:
        return MemoryVault()
