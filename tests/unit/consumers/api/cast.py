"""Who, what and when the tests of the API speak of."""

from datetime import UTC, datetime

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
AUDIENCE = "https://api.dpp.be"
ISSUER = "https://issuer.test"
PARTITIONS = 4
ANN = "85000000138"
BOB = "70000000114"
NOBODY = "60000000195"
DOCTOR = "10000106001"
PHARMACIST = "20000113001"
PHARMACY = "80000551"
OTHER_PHARMACY = "27457532"
CNK = "0041020"
POSOLOGY = "1 tablet at noon"
