"""The sample catalogue that ships with the package."""

from consumers.catalogue.catalogue import FORMULARY_CODE, MAGISTRAL_CODE, by_cnk, load
from schemas.identifiers import cnk


def test_every_code_passes_its_check_digit_and_stands_once() -> None:
    codes = [one.cnk for one in load()]
    assert all(cnk.is_valid(code) for code in codes)
    assert codes == sorted(set(codes))


def test_every_row_has_a_name_in_each_language_or_the_other() -> None:
    assert all(one.name("fr") and one.name("nl") for one in load())


def test_what_is_dispensed_as_a_pack_has_form_pack_and_posology() -> None:
    packs = [one for one in load() if one.kind != "magistral_ingredient" and one.weight]
    assert len(packs) > 60
    for one in packs:
        assert one.form
        assert one.pack
        assert one.posology("fr")
        assert one.posology("nl")
        assert 1 <= one.units_min <= one.units_max


def test_a_row_is_found_by_its_code() -> None:
    assert by_cnk()["0039347"].name("nl") == "Dafalgan 500 mg comp. 30"
    assert by_cnk()[FORMULARY_CODE].kind == by_cnk()[MAGISTRAL_CODE].kind == "other"
