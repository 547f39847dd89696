"""Lines become BeMedicationDispense: every member has one place, and can be read back from it."""

from datetime import UTC, datetime
from itertools import product as combinations
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.api.fhir.dispenses import MOMENTS, dispense, expiry_text
from consumers.api.fhir.resources import MedicationDispense
from consumers.api.fhir.systems import OWN
from consumers.api.views import LineView, ProductView
from schemas.dispensation import DayMoment, Posology, Prescription, Regimen
from schemas.policy import HistoryField
from tests.unit.consumers.api.fhir.profiles import DISPENSE, E, faults

PATIENT = "85000000138"
DGUID = "0f8fad5b-d9cb-069f-0165-70867728950e"
SGUID = "1f8fad5b-d9cb-069f-0165-70867728950e"
OTHER = "2f8fad5b-d9cb-069f-0165-70867728950e"
AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
PACK = ProductView(kind="cnk", cnk="0041020", name_fr="Produit", name_nl="Product", pack="30")
PREPARATION = ProductView(
    kind="magistral",
    detail={
        "compounds": [
            {"order": 1, "cnk": "0525337", "name": "glycerol", "quantity": "10 g"},
            {"order": 2, "name": "water", "prefix": "ad", "quantity": "100 g"},
        ],
        "formula_cnk": "0589028",
        "text": "cream",
        "galenic_form": "cream",
        "quantity": "100 g",
    },
)
UNREGISTERED = ProductView(kind="unregistered", detail={"description": "a compress"})
REGIMEN = Regimen(
    quantity="0.5",
    unit="tablet",
    times_per_day=2,
    moments=("morning", "bedtime"),
    every_days=3,
    as_needed=True,
    begin="2026-03-01",
    end="2026-03-31",
    route="oral",
)
FULL: dict[str, Any] = {
    "sguid": SGUID,
    "delivered_at": AT,
    "pharmacy": "80000551",
    "product": PACK,
    "units": 2,
    "posology": Posology(text="one a day"),
    "regimen": REGIMEN,
    "prescription": Prescription(
        prescriber="10000106001", rid="BEP0ABCDEFGH", on_substance_name=True
    ),
    "returns": OTHER,
    "batch": "AB12",
    "expiry": "2028-11-30",
    "gtin": "05412345000013",
    "motivation": "asked by the patient",
}


def line(**members: Any) -> LineView:
    return LineView(
        dguid=DGUID, version=3, status="corrected", score=90, warnings=("SOME_CODE",), **members
    )


def written(**members: Any) -> dict[str, Any]:
    return dispense(line(**members), PATIENT).model_dump(mode="json", exclude_none=True)


def read_back(found: dict[str, Any]) -> dict[str, Any]:
    """The members of a line, read from the places that the profile gives them."""
    own = {one["url"].removeprefix(f"{OWN}/"): one for one in found.get("extension", ())}
    inner = (found.get("contained") or [{}])[0]
    concept = found.get("medicationCodeableConcept") or inner.get("code", {})
    codes = {one["system"].rpartition("/")[2]: one["code"] for one in concept.get("coding", ())}
    (prescription,) = found.get("authorizingPrescription") or [{}]
    further = {one["url"].removeprefix(f"{OWN}/"): one for one in prescription.get("extension", ())}
    return {
        "sguid": found.get("context", {}).get("identifier", {}).get("value"),
        "delivered_at": found.get("whenHandedOver"),
        "pharmacy": found["performer"][0]["actor"].get("identifier", {}).get("value"),
        "cnk": codes.get("cnk-codes"),
        "gtin": codes.get("gtin"),
        "units": found.get("quantity", {}).get("value"),
        "posology": (found.get("dosageInstruction") or [{}])[0].get("text"),
        "rid": prescription.get("identifier", {}).get("value"),
        "prescriber": further.get("prescriber", {}).get("valueIdentifier", {}).get("value"),
        "on_substance_name": further.get("on-substance-name", {}).get("valueBoolean", False),
        "returns": own.get("returns", {}).get("valueIdentifier", {}).get("value"),
        "batch": inner.get("batch", {}).get("lotNumber"),
        "expiry": inner.get("batch", {}).get("expirationDate"),
        "motivation": (found.get("note") or [{}])[0].get("text"),
    }


def expected(members: dict[str, Any]) -> dict[str, Any]:
    shown, prescription = members.get("product"), members.get("prescription")
    at = members.get("delivered_at")
    return {
        "sguid": members.get("sguid"),
        "delivered_at": at.isoformat().replace("+00:00", "Z") if at else None,
        "pharmacy": members.get("pharmacy"),
        "cnk": shown.cnk if shown else None,
        "gtin": members.get("gtin") if shown else None,
        "units": members.get("units"),
        "posology": members["posology"].text if "posology" in members else None,
        "rid": prescription.rid if prescription else None,
        "prescriber": prescription.prescriber if prescription else None,
        "on_substance_name": prescription.on_substance_name if prescription else False,
        "returns": members.get("returns"),
        "batch": members.get("batch") if shown else None,
        "expiry": members.get("expiry") if shown else None,
        "motivation": members.get("motivation"),
    }


def test_a_full_line_obeys_the_profile_and_is_read_back_as_it_was() -> None:
    found = written(**FULL)
    assert faults(found, DISPENSE) == []
    assert read_back(found) == expected(FULL)
    assert found["meta"]["versionId"] == "3"
    assert {"quality-score", "quality-warning"} <= {
        one["url"].rpartition("/")[2] for one in found["extension"]
    }


@given(st.sets(st.sampled_from(sorted(FULL))))
def test_whatever_policy_leaves_out_the_rest_obeys_the_profile(names: set[str]) -> None:
    members = {name: FULL[name] for name in names}
    found = written(**members)
    assert faults(found, DISPENSE) == []
    assert read_back(found) == expected(members)


@given(st.sets(st.sampled_from(sorted(FULL))))
def test_what_is_written_is_read_again_as_the_same_resource(names: set[str]) -> None:
    made = dispense(line(**{name: FULL[name] for name in names}), PATIENT)
    assert MedicationDispense.model_validate_json(made.write()) == made


@pytest.mark.parametrize(
    ("broken", "path"),
    [
        ({"performer": []}, "performer"),
        ({"status": "done"}, "status"),
        ({"identifier": [{"system": "x", "value": DGUID}]}, "identifier[x].system"),
        ({"subject": {"reference": "Patient/1"}}, "subject.reference"),
        ({"whenHandedOver": None, "_whenHandedOver": None}, "whenHandedOver|_whenHandedOver"),
        ({"quantity": {"value": 1, "code": "box"}}, "quantity.code"),
    ],
)
def test_the_rules_find_what_is_broken_bad(broken: dict[str, Any], path: str) -> None:
    assert any(fault.startswith(f"{path}:") for fault in faults(written(**FULL) | broken, DISPENSE))


def test_what_the_reader_may_not_see_is_masked_where_the_profile_wants_it() -> None:
    found = written()
    masked = {
        "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
        "valueCode": "masked",
    }
    assert found["performer"][0]["actor"] == {
        "type": "Organization",
        "display": "not shown",
        "extension": [masked],
    }
    assert found["medicationCodeableConcept"] == {"extension": [masked]}
    assert found["_whenHandedOver"] == {"extension": [masked]}
    assert "whenHandedOver" not in found


def test_a_pharmacy_that_is_not_shown_cannot_be_told_from_anything() -> None:
    with_it, without = (
        dispense(line(**FULL | {"pharmacy": number}), PATIENT).write()
        for number in ("80000551", None)
    )
    assert "80000551" in with_it
    assert "80000551" not in without


def test_a_pack_is_coded_by_cnk_and_named_in_both_languages() -> None:
    coding = written(product=PACK)["medicationCodeableConcept"]["coding"][0]
    assert (coding["system"], coding["code"]) == (
        f"{E}/medication/NamingSystem/cnk-codes",
        "0041020",
    )
    assert coding["display"] == "Produit"
    (translation,) = coding["_display"]["extension"]
    assert [part.get("valueCode") or part["valueString"] for part in translation["extension"]] == [
        "nl",
        "Product",
    ]


def test_a_preparation_is_one_resource_with_its_ingredients() -> None:
    found = written(product=PREPARATION, units=1)
    assert faults(found, DISPENSE) == []
    (medication,) = found["contained"]
    assert found["medicationReference"] == {"reference": "#medication"}
    assert medication["form"] == {"text": "cream"}
    assert medication["code"]["coding"][0]["code"] == "0589028"
    texts = [one["itemCodeableConcept"]["text"] for one in medication["ingredient"]]
    assert texts == ["glycerol 10 g", "ad water 100 g"]
    assert medication["ingredient"][0]["itemCodeableConcept"]["coding"][0]["code"] == "0525337"


def test_a_product_without_a_code_is_told_in_words() -> None:
    found = written(product=UNREGISTERED)
    assert found["medicationCodeableConcept"] == {"text": "a compress"}


def test_a_return_is_a_dispense_of_fewer_than_no_packs_that_names_what_came_back() -> None:
    found = written(units=-1, returns=OTHER, product=PACK)
    assert found["quantity"]["value"] == -1
    assert found["status"] == "completed"
    assert read_back(found)["returns"] == OTHER


@pytest.mark.parametrize(
    ("returned", "left", "told"),
    [
        (1, 1, {"units-returned": 1, "units-left": 1}),
        (2, 0, {"units-returned": 2, "units-left": 0}),
        (0, 2, {}),
        (None, None, {}),
    ],
)
def test_what_came_back_of_a_line_and_what_is_left_is_told(
    returned: int | None, left: int | None, told: dict[str, int]
) -> None:
    found = written(units=2, product=PACK, returned=returned, left=left)
    assert faults(found, DISPENSE) == []
    inner = {one["url"].removeprefix(f"{OWN}/"): one for one in found["extension"]}
    units = {name: one["valueInteger"] for name, one in inner.items() if "units" in name}
    assert units == told


def test_a_prescription_that_is_not_known_by_number_is_told_by_display_alone() -> None:
    found = written(prescription=Prescription())
    assert found["authorizingPrescription"] == [
        {"type": "MedicationRequest", "display": "prescribed"}
    ]


def test_a_regimen_is_a_structured_dosage() -> None:
    (dosage,) = written(regimen=REGIMEN, posology=Posology(text="half"))["dosageInstruction"]
    assert dosage["text"] == dosage["patientInstruction"] == "half"
    assert dosage["timing"]["repeat"] == {
        "boundsPeriod": {"start": "2026-03-01", "end": "2026-03-31"},
        "frequency": 2,
        "period": 3,
        "periodUnit": "d",
        "when": ["MORN", "HS"],
    }
    assert dosage["doseAndRate"] == [{"doseQuantity": {"value": 0.5, "unit": "tablet"}}]
    assert dosage["asNeededBoolean"] is True
    assert dosage["route"] == {"text": "oral"}


@pytest.mark.parametrize("quantity", ["1/2", "a half", "NaN", "Infinity"])
def test_a_quantity_that_is_no_number_is_kept_in_words(quantity: str) -> None:
    (dosage,) = written(regimen=Regimen(quantity=quantity, unit="tablet"))["dosageInstruction"]
    assert dosage == {"text": f"{quantity} tablet"}


def test_every_moment_of_the_day_has_its_code() -> None:
    assert set(MOMENTS) == set(get_args(DayMoment))


def test_every_field_of_policy_has_its_place() -> None:
    assert set(get_args(HistoryField)) <= set(FULL)


@pytest.mark.parametrize(
    ("given_as", "shown"),
    [
        ("2028-11-30", "2028-11-30"),
        ("2028-11", "2028-11"),
        ("281130", "2028-11-30"),
        ("280200", "2028-02-29"),
        ("281399", None),
        ("soon", None),
    ],
)
def test_the_last_day_of_use_is_a_date_of_its_own_precision(
    given_as: str, shown: str | None
) -> None:
    assert expiry_text(given_as) == shown


def test_a_batch_of_which_nothing_can_be_written_is_not_there() -> None:
    found = written(product=PACK, expiry="soon")
    assert "contained" not in found
    assert found["medicationCodeableConcept"]["coding"][0]["code"] == PACK.cnk


@pytest.mark.parametrize(
    ("shown", "batch"), list(combinations((PACK, PREPARATION, UNREGISTERED, None), ("B1", None)))
)
def test_every_kind_of_product_with_and_without_a_batch_obeys_the_profile(
    shown: ProductView | None, batch: str | None
) -> None:
    found = written(product=shown, batch=batch)
    assert faults(found, DISPENSE) == []
    assert ("contained" in found) == (found.get("medicationReference") is not None)
