"""The key vault: where the secrets of subjects, readers and days live, and are destroyed.

`postgres`
    `PostgresVault`, the default adapter of `schemas.keyvault.KeyVault`: rows wrapped under one
    key-encryption key.
`memory`
    `MemoryVault`, the same promises without a server, for tests and offline checks.
`kek`
    Making the key-encryption key, and reading it from a file or the environment.
"""
