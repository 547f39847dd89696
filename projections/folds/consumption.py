"""How much of each product was dispensed: one row per line version that has a product code.

No row names a subject. Codes are keyed hashes, as in `product_recall`; regions and groups of codes
are added by whoever counts. Source: DESIGN section 8, authorities.
"""

from typing import Final, assert_never

from projections.folds.access_state import Recorded
from projections.folds.changes import Change, Upsert
from projections.folds.product_recall import Fact, product_index, replaced
from schemas.dispensation import (
    CorrectedFact,
    LineSummary,
    MedicinalProduct,
    RegisteredFact,
    RevokedFact,
)
from schemas.keyvault import Shredded

SCHEMA: Final = "consumption_v1"
PRIMARY_KEYS: Final = {"line": ("pharmacy", "dguid", "version")}


def fold(
    fact: Fact, content: LineSummary | Shredded | None, recorded: Recorded, index_key: bytes
) -> tuple[Change, ...]:
    """The row of a line's version; what it replaces is ended."""
    match fact:
        case RegisteredFact():
            return _counted(fact, content, recorded, index_key)
        case CorrectedFact():
            return (*_counted(fact, content, recorded, index_key), replaced(fact, recorded))
        case RevokedFact():
            return (replaced(fact, recorded),)
        case _:
            assert_never(fact)


def _counted(
    fact: RegisteredFact | CorrectedFact,
    content: LineSummary | Shredded | None,
    recorded: Recorded,
    index_key: bytes,
) -> tuple[Upsert, ...]:
    if not isinstance(content, LineSummary) or not isinstance(content.product, MedicinalProduct):
        return ()
    row: dict[str, object] = {
        "pharmacy": fact.pharmacy,
        "dguid": fact.dguid,
        "version": fact.version,
        "product_index": product_index(index_key, content.product.cnk),
        "units": content.units,
        "delivered_at": content.delivered_at,
        "recorded_partition": recorded.partition,
        "recorded_position": recorded.offset,
    }
    return (Upsert("line", row),)
