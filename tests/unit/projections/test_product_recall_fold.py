"""Which lines a recall finds: by product, by batch, by ingredient, and only what still stands."""

from datetime import UTC, datetime

import pytest

from projections.folds import product_recall
from projections.folds.access_state import Recorded
from projections.folds.changes import Close, Upsert
from projections.folds.product_recall import batch_index, codes, product_index
from schemas.dispensation import (
    Compound,
    CorrectedFact,
    LineContent,
    MagistralPreparation,
    MedicinalProduct,
    Product,
    RegisteredFact,
    RevokedFact,
    Supersedes,
    UnregisteredProduct,
)
from schemas.keyvault import Shredded

KEY = bytes(32)
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
AT = Recorded(1, 40, NOON, "quality/1/9/0")
MEMBERS = {
    "pharmacy": "80000551",
    "dguid": "00000000-0000-4000-8000-000000000001",
    "subject": "a" * 26,
    "generation": 1,
    "period": "p",
    "digest": "AA",
    "sealed": "AAAA",
}
FORMER = Supersedes(version=1, month="2026-03", subject="a" * 26)
REGISTERED = RegisteredFact.model_validate({**MEMBERS, "version": 1, "score": 90})
CORRECTED = CorrectedFact.model_validate(
    {**MEMBERS, "version": 2, "score": 90, "supersedes": FORMER}
)
REVOKED = RevokedFact.model_validate({**MEMBERS, "version": 2, "supersedes": FORMER})
ENDS = Close("line", {"pharmacy": "80000551", "dguid": MEMBERS["dguid"], "version": 1}, position=40)


def content(product: Product, batch: str | None = None) -> LineContent:
    return LineContent(
        sguid="00000000-0000-4000-8000-000000000000",
        pharmacy="80000551",
        delivered_at=NOON,
        product=product,
        units=1,
        batch=batch,
    )


PACK = MedicinalProduct(cnk="0000000")


@pytest.mark.parametrize(
    ("product", "expected"),
    [
        (PACK, ("0000000",)),
        (UnregisteredProduct(description="tea"), ()),
        (MagistralPreparation(text="an ointment"), ()),
        (
            MagistralPreparation(
                formula_cnk="1111111",
                compounds=(
                    Compound(order=1, cnk="2222222"),
                    Compound(order=2, name="vaseline"),
                    Compound(order=3, cnk="2222222"),
                ),
            ),
            ("1111111", "2222222"),
        ),
    ],
)
def test_a_product_is_found_by_each_code_in_it(product: Product, expected: tuple[str, ...]) -> None:
    assert codes(product) == expected
    rows = product_recall.fold(REGISTERED, content(product), AT, KEY)
    found = [row.row["product_index"] for row in rows if isinstance(row, Upsert)]
    assert found == [product_index(KEY, cnk) for cnk in expected]


@pytest.mark.parametrize("written", ["ab 12", "AB12", " ab12 "])
def test_a_batch_is_found_however_it_was_written(written: str) -> None:
    (row,) = product_recall.fold(REGISTERED, content(PACK, written), AT, KEY)
    assert isinstance(row, Upsert)
    assert row.row["batch_index"] == batch_index(KEY, "0000000", "AB12")


@pytest.mark.parametrize(
    ("cnk", "batch", "key"),
    [("0000001", "AB12", KEY), ("0000000", "AB13", KEY), ("0000000", "AB12", bytes(31) + b"\1")],
)
def test_a_batch_is_not_found_under_another_product_batch_or_key_bad(
    cnk: str, batch: str, key: bytes
) -> None:
    assert batch_index(key, cnk, batch) != batch_index(KEY, "0000000", "AB12")


def test_rows_hold_neither_code_nor_batch() -> None:
    (row,) = product_recall.fold(REGISTERED, content(PACK, "AB12"), AT, KEY)
    assert isinstance(row, Upsert)
    assert not {"0000000", "AB12"} & {str(value) for value in row.row.values()}


def test_a_correction_enters_and_ends_what_it_replaces() -> None:
    entered, ended = product_recall.fold(CORRECTED, content(PACK), AT, KEY)
    assert isinstance(entered, Upsert)
    assert (entered.row["version"], entered.row["batch_index"]) == (2, None)
    assert ended == ENDS


def test_a_revocation_ends_what_it_withdraws() -> None:
    assert product_recall.fold(REVOKED, None, AT, KEY) == (ENDS,)


def test_a_shredded_line_cannot_be_found_but_still_ends_the_former() -> None:
    assert product_recall.fold(REGISTERED, Shredded("period"), AT, KEY) == ()
    assert product_recall.fold(CORRECTED, Shredded("subject"), AT, KEY) == (ENDS,)
