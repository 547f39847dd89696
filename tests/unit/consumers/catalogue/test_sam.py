"""Entries from the records of a SAM v2 export."""

from datetime import date
from io import BytesIO

import pytest

from consumers.catalogue.sam import MAX_EXAMPLES, Tally, entries_of
from consumers.catalogue.xmlrecords import Records
from schemas.catalogue import CatalogueEntry
from tests.support.sam_export import root

SINCE = date(2010, 1, 1)
IMPORT = "ImportedMedicinalProductPackage"


class Text(BytesIO):
    name = "test.xml"


def read(content: str, tally: Tally | None = None) -> list[CatalogueEntry]:
    """The entries of an export with this content."""
    records = Records(Text(root("ExportActualMedicines", content).encode()))
    counted = tally or Tally()
    return [entry for record in records for entry in entries_of(record, counted)]


def medicine(packs: str, status: str = "AUTHORIZED", kind: str = "ALLOPATHIC") -> str:
    return f"""<Amp code="SAM1"><Data from="2010-01-01"><a:Status>{status}</a:Status>
        <a:Name><c:Fr>Dafalgan</c:Fr><c:Nl>Dafalgan NL</c:Nl></a:Name>
        <a:MedicineType>{kind}</a:MedicineType></Data>
        <AmpComponent><Data from="2010-01-01"><PharmaceuticalForm code="1"><r:Name>
        <c:Fr>comprimé</c:Fr><c:En>tablet</c:En></r:Name></PharmaceuticalForm></Data></AmpComponent>
        {packs}</Amp>"""


def pack(deliveries: str, data: str = "") -> str:
    return f"""<Ampp ctiExtended="1-01">{data or data_of_pack()}{deliveries}</Ampp>"""


def data_of_pack(
    start: str = "2010-01-01", end: str = "", name: str = "30", status: str = "AUTHORIZED"
) -> str:
    until = f'to="{end}"' if end else ""
    return f"""<Data from="{start}" {until}><a:Status>{status}</a:Status>
        <a:PackDisplayValue>{name}</a:PackDisplayValue>
        <a:PrescriptionNameFamhp><c:Fr>Dafalgan  500 mg
        {name}</c:Fr><c:De>Dafalgan Tabl.</c:De></a:PrescriptionNameFamhp>
        <Atc code="N02BE01"/></Data>"""


def delivery(
    code: str = "0039347", start: str = "2010-01-01", end: str = "", environment: str = "P"
) -> str:
    until = f'to="{end}"' if end else ""
    return f"""<Dmpp deliveryEnvironment="{environment}" code="{code}" codeType="CNK">
        <Data from="{start}" {until}><Price>3.2</Price></Data></Dmpp>"""


def test_a_pack_gets_names_of_its_own_or_of_its_medicine_and_all_that_is_known() -> None:
    assert read(medicine(pack(delivery()))) == [
        CatalogueEntry(
            "0039347",
            SINCE,
            kind="medicine",
            names={"fr": "Dafalgan 500 mg 30", "nl": "Dafalgan NL", "de": "Dafalgan Tabl."},
            atc="N02BE01",
            pack="30",
            form="tablet",
            status="authorized",
            environments=("P",),
        )
    ]


def test_a_pack_has_another_code_in_each_environment() -> None:
    found = read(medicine(pack(delivery() + delivery("5521950", environment="H"))))
    assert {one.cnk: one.environments for one in found} == {"0039347": ("P",), "5521950": ("H",)}


def test_one_code_in_two_environments_is_one_entry() -> None:
    (entry,) = read(medicine(pack(delivery() + delivery(environment="H"))))
    assert entry.environments == ("H", "P")


def test_what_is_known_changes_when_the_pack_does() -> None:
    data = data_of_pack(end="2014-12-31") + data_of_pack("2015-01-01", name="60")
    before, after = read(medicine(pack(delivery(start="2011-02-03"), data)))
    assert (before.valid_from, before.valid_until) == (date(2011, 2, 3), date(2014, 12, 31))
    assert (after.valid_from, after.valid_until) == (date(2015, 1, 1), None)
    assert (before.pack, after.pack) == ("30", "60")


def test_blocks_that_say_the_same_are_one_period() -> None:
    data = data_of_pack(end="2014-12-31") + data_of_pack("2015-01-01")
    (entry,) = read(medicine(pack(delivery(end="2020-06-30"), data)))
    assert (entry.valid_from, entry.valid_until) == (SINCE, date(2020, 6, 30))


def test_a_code_that_moves_to_another_pack_stands_for_each_in_its_time() -> None:
    first = pack(delivery(end="2012-12-31"), data_of_pack(name="10"))
    second = pack(delivery(start="2013-01-01"), data_of_pack(name="20"))
    found = read(medicine(first + second))
    assert [(one.pack, one.valid_from) for one in found] == [
        ("10", SINCE),
        ("20", date(2013, 1, 1)),
    ]


@pytest.mark.parametrize(
    ("of_pack", "of_medicine", "expected"),
    [
        ("AUTHORIZED", "AUTHORIZED", "authorized"),
        ("SUSPENDED", "AUTHORIZED", "suspended"),
        ("AUTHORIZED", "REVOKED", "revoked"),
        ("REVOKED", "SUSPENDED", "revoked"),
        ("", "", None),
        ("NEW_WORD", "SUSPENDED", "suspended"),
    ],
)
def test_a_pack_has_the_worse_status_of_its_own_and_its_medicines(
    of_pack: str, of_medicine: str, expected: str | None
) -> None:
    packs = pack(delivery(), data_of_pack(status=of_pack))
    (entry,) = read(medicine(packs, status=of_medicine))
    assert entry.status == expected


def test_a_homeopathic_medicine_is_told_apart() -> None:
    (entry,) = read(medicine(pack(delivery()), kind="HOMEOPATHIC"))
    assert entry.kind == "homeopathic"


def test_a_code_without_periods_of_its_own_has_those_of_its_pack() -> None:
    (entry,) = read(medicine(pack('<Dmpp code="0039347"/>', data_of_pack("2016-01-01"))))
    assert (entry.valid_from, entry.environments) == (date(2016, 1, 1), ())


@pytest.mark.parametrize("code", ["", "123456", "12345678", "123456A", "0000000", "٠٠٣٩٣٤٧"])
def test_a_code_that_is_no_cnk_is_counted_and_left_out(code: str) -> None:
    tally = Tally()
    (entry,) = read(medicine(pack(delivery(code) + delivery("5521950"))), tally)
    assert entry.cnk == "5521950"
    assert tally.counts["not_cnk"] == 1
    assert tally.examples == [f"not_cnk: {code!r}"]


def test_a_code_that_fails_its_check_digit_is_counted_and_kept() -> None:
    tally = Tally()
    (entry,) = read(medicine(pack(delivery("1439562"))), tally)
    assert entry.cnk == "1439562"
    assert tally.counts["check_digits"] == 1


def test_a_code_of_another_system_is_counted_and_left_out() -> None:
    tally = Tally()
    packs = pack(delivery().replace('"CNK"', '"PSEUDO"'))
    assert read(medicine(packs), tally) == []
    assert tally.counts["other_codes"] == 1


@pytest.mark.parametrize(
    ("start", "end"), [("", ""), ("soon", ""), ("2020-01-02", "2020-01-01"), ("2020-01-01", "?")]
)
def test_a_period_that_is_none_is_counted_and_passed_over(start: str, end: str) -> None:
    tally = Tally()
    packs = pack(delivery(start=start, end=end) + delivery(end="2015-01-01"))
    (entry,) = read(medicine(packs), tally)
    assert tally.counts["bad_periods"] == 1
    assert entry.valid_from == SINCE


def test_a_code_that_never_held_is_counted_and_left_out() -> None:
    tally = Tally()
    assert read('<Amp><Ampp><Dmpp code="0039347"/></Ampp></Amp>', tally) == []
    assert tally.counts["without_period"] == 1


def test_examples_are_few_and_short() -> None:
    tally = Tally()
    read(medicine(pack("".join(delivery("x" * 500) for _ in range(50)))), tally)
    assert tally.counts["not_cnk"] == 50
    assert len(tally.examples) == MAX_EXAMPLES
    assert all(len(one) < 50 for one in tally.examples)


def test_products_that_are_no_medicines_have_a_code_and_names() -> None:
    (entry,) = read(
        """<NonMedicinalProduct code="3319522" ProductId="x"><Data from="2010-01-01"><Name>
        <c:Fr>Orgitan comp</c:Fr><c:Nl>Orgitan tabl</c:Nl></Name></Data></NonMedicinalProduct>"""
    )
    assert entry == CatalogueEntry(
        "3319522", SINCE, kind="other", names={"fr": "Orgitan comp", "nl": "Orgitan tabl"}
    )


@pytest.mark.parametrize(
    ("element", "kind"),
    [("CompoundingIngredient", "ingredient"), ("CompoundingFormula", "preparation")],
)
def test_ingredients_and_formulas_are_named_by_their_best_synonym(element: str, kind: str) -> None:
    (entry,) = read(
        f"""<{element} code="0525337" codeType="CNK" ProductId="x"><Data from="2010-01-01">
        <Synonym xml:lang="fr" rank="2">glycérine</Synonym>
        <Synonym xml:lang="fr" rank="1">glycérol</Synonym>
        <Synonym xml:lang="la" rank="1">glycerolum</Synonym>
        <Synonym xml:lang="NL" rank="?">glycerol</Synonym></Data></{element}>"""
    )
    assert (entry.kind, entry.names) == (kind, {"fr": "glycérol", "nl": "glycerol"})


def test_an_imported_medicine_names_its_code_in_its_periods() -> None:
    (entry,) = read(
        """<ImportedMedicinalProductPackage Id="7"><Data from="2010-01-01" to="2011-01-01">
        <CNK>0039347</CNK><Name>Nimotop</Name><PackSize>100</PackSize><PharmaceuticalFormCode
        code="1"><r:Name><c:Fr>comprimé</c:Fr></r:Name></PharmaceuticalFormCode></Data>
        </ImportedMedicinalProductPackage>"""
    )
    assert entry.names == {"fr": "Nimotop", "nl": "Nimotop"}
    assert (entry.kind, entry.pack, entry.form) == ("medicine", "100", "comprimé")
    assert entry.valid_until == date(2011, 1, 1)


@pytest.mark.parametrize(
    "record",
    [
        '<NonMedicinalProduct code="x"><Data from="2010-01-01"/></NonMedicinalProduct>',
        '<NonMedicinalProduct code="3319522"/>',
        f'<{IMPORT}><Data from="2010-01-01"/></{IMPORT}>',
    ],
)
def test_a_record_without_code_or_period_gives_nothing_and_is_counted(record: str) -> None:
    tally = Tally()
    assert read(record, tally) == []
    assert tally.counts["not_cnk"] + tally.counts["without_period"] == 1


def test_records_of_other_kinds_give_nothing() -> None:
    assert read('<Company actorNr="1"><Data from="2010-01-01"/></Company>') == []
