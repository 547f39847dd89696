"""What is counted of the record: lines with a product code, as they stand, and nobody's name."""

from projections.folds import consumption
from projections.folds.changes import Upsert
from projections.folds.product_recall import product_index
from schemas.dispensation import LineSummary, MedicinalProduct, UnregisteredProduct
from schemas.keyvault import Shredded
from tests.unit.projections.test_product_recall_fold import (
    AT,
    CORRECTED,
    ENDS,
    KEY,
    NOON,
    REGISTERED,
    REVOKED,
)

PACK = LineSummary(delivered_at=NOON, product=MedicinalProduct(cnk="0041020"), units=2)


def test_a_line_is_counted_by_product_packs_and_time_and_names_no_subject() -> None:
    (change,) = consumption.fold(REGISTERED, PACK, AT, KEY)
    assert isinstance(change, Upsert)
    assert change.row["product_index"] == product_index(KEY, "0041020")
    assert (change.row["units"], change.row["delivered_at"]) == (2, NOON)
    assert REGISTERED.subject not in str(change.row)
    assert "0041020" not in str(change.row)


def test_a_correction_is_counted_instead_of_what_it_replaces() -> None:
    change, ended = consumption.fold(CORRECTED, PACK, AT, KEY)
    assert isinstance(change, Upsert)
    assert ended == ENDS


def test_a_revocation_is_counted_no_more() -> None:
    assert consumption.fold(REVOKED, None, AT, KEY) == (ENDS,)


def test_what_has_no_code_or_cannot_be_read_is_not_counted() -> None:
    words = LineSummary(delivered_at=NOON, product=UnregisteredProduct(description="x"), units=1)
    assert consumption.fold(REGISTERED, words, AT, KEY) == ()
    assert consumption.fold(REGISTERED, Shredded("period"), AT, KEY) == ()
    assert consumption.fold(CORRECTED, Shredded("subject"), AT, KEY) == (ENDS,)
