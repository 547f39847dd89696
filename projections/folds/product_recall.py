"""Which dispensations carried a product, or a batch of it: one row per line version and code.

Codes and batches are held as keyed hashes only, so the table finds what a recall names and tells
nobody what anybody takes. A magistral preparation is found by each of its ingredients. Source:
DESIGN section 7.
"""

from functools import lru_cache
from typing import Final, assert_never

from projections.folds.access_state import Recorded
from projections.folds.changes import Change, Close, Upsert
from schemas.dispensation import (
    CorrectedFact,
    LineContent,
    LineSummary,
    MagistralPreparation,
    MedicinalProduct,
    Product,
    RegisteredFact,
    RevokedFact,
    UnregisteredProduct,
)
from schemas.keyvault import Shredded
from schemas.sealing.facts import blind_index

SCHEMA: Final = "product_recall_v1"
PRIMARY_KEYS: Final = {"line": ("pharmacy", "dguid", "version", "product_index")}
PRODUCT_KIND: Final = "cnk"
"""Kind of blind index under which a product code is found; `history` uses the same."""
BATCH_KIND: Final = "batch"

PRODUCTS_KEPT: Final = 32_768
"""More codes than are sold: the index of each is computed once."""

Fact = RegisteredFact | CorrectedFact | RevokedFact
Content = LineSummary | LineContent
"""What a fact seals, as far as it is read here."""


def fold(
    fact: Fact, content: Content | Shredded | None, recorded: Recorded, index_key: bytes
) -> tuple[Change, ...]:
    """The rows of a line's version; what it replaces is ended."""
    match fact:
        case RegisteredFact():
            return _carried(fact, content, recorded, index_key)
        case CorrectedFact():
            entered = _carried(fact, content, recorded, index_key)
            return (*entered, replaced(fact, recorded))
        case RevokedFact():
            return (replaced(fact, recorded),)
        case _:
            assert_never(fact)


@lru_cache(maxsize=PRODUCTS_KEPT)
def product_index(index_key: bytes, cnk: str) -> str:
    """Under what a product code is found."""
    return blind_index(index_key, PRODUCT_KIND, cnk)


def batch_index(index_key: bytes, cnk: str, batch: str) -> str:
    """Under what a batch of a product is found, however its letters and spaces were written."""
    return blind_index(index_key, BATCH_KIND, f"{cnk}/{''.join(batch.split()).upper()}")


def codes(product: Product) -> tuple[str, ...]:
    """Every product code in what was dispensed, each once."""
    match product:
        case MedicinalProduct(cnk=cnk):
            return (cnk,)
        case MagistralPreparation(compounds=compounds, formula_cnk=formula):
            found = [formula, *(one.cnk for one in compounds or ())]
            return tuple(dict.fromkeys(cnk for cnk in found if cnk is not None))
        case UnregisteredProduct():
            return ()
        case _:
            assert_never(product)


def _carried(
    fact: RegisteredFact | CorrectedFact,
    content: Content | Shredded | None,
    recorded: Recorded,
    index_key: bytes,
) -> tuple[Upsert, ...]:
    if content is None or isinstance(content, Shredded):
        return ()
    common: dict[str, object] = {
        "pharmacy": fact.pharmacy,
        "dguid": fact.dguid,
        "version": fact.version,
        "subject": fact.subject,
        "generation": fact.generation,
        "delivered_at": content.delivered_at,
        "recorded_partition": recorded.partition,
        "recorded_position": recorded.offset,
    }
    batch = content.batch
    return tuple(
        Upsert(
            "line",
            {
                **common,
                "product_index": product_index(index_key, cnk),
                "batch_index": None if batch is None else batch_index(index_key, cnk, batch),
            },
        )
        for cnk in codes(content.product)
    )


def replaced(fact: CorrectedFact | RevokedFact, recorded: Recorded) -> Close:
    """Ends the rows of the version that a correction or revocation takes the place of."""
    former = {
        "pharmacy": fact.pharmacy,
        "dguid": fact.dguid,
        "version": fact.supersedes.version,
    }
    return Close("line", former, recorded.offset)
