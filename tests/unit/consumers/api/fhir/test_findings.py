"""How findings of a validator from outside are judged, and that what it judges is of every kind."""

import json

import pytest

from tests.support.fhir.answers import answers
from tests.support.fhir.findings import MEANT_SO, parse, wrong
from tests.support.fhir.profiles import definitions

DOM_6, *_ = MEANT_SO


def test_what_is_meant_so_and_what_only_informs_is_not_wrong() -> None:
    lines = [f"a.json\tWARNING\t{name}\tplace\ttext" for name in MEANT_SO]
    lines.append("a.json\tINFORMATION\tAny\tplace\ttext")
    assert wrong(parse(lines), ["a.json"]) == []


@pytest.mark.parametrize(
    "line",
    [
        f"a.json\tERROR\t{DOM_6}\tPatient.name\tnot so",
        "a.json\tFATAL\tnull\tnull\tno JSON",
        "a.json\tWARNING\tReference_REF_NoDisplay\tx\ta\tb",
    ],
)
def test_errors_and_warnings_that_nobody_meant_are_wrong_bad(line: str) -> None:
    (told,) = wrong(parse([line, "SLF4J: a line of a logger"]), ["a.json"])
    assert told.startswith("a.json: ")


def test_a_validator_that_passes_what_is_broken_on_purpose_is_wrong_bad() -> None:
    found = parse(["broken-a.json\tERROR\tx\ty\tz", f"broken-b.json\tWARNING\t{DOM_6}\ty\tz"])
    told = wrong(found, ["broken-a.json", "broken-b.json"])
    assert told == ["broken-b.json: broken on purpose, and nothing was found"]


async def test_answers_of_every_kind_are_judged_and_none_is_a_surprise() -> None:
    kinds: dict[str, set[str]] = {}
    async for name, text in answers():
        kinds.setdefault(json.loads(text)["resourceType"], set()).add(name)
    assert kinds.keys() == {
        "Bundle", "CapabilityStatement", "MedicationDispense", "OperationOutcome",
    }  # fmt: skip
    assert {"bundle-accesses", "bundle-consents", "bundle-of-all-lines"} <= kinds["Bundle"]


def test_every_profile_that_answers_claim_is_given_to_the_validator() -> None:
    assert {one["url"].rpartition("/")[2] for one in definitions().values()} == {
        "BeMedicationDispense",
        "IHE.BasicAudit.PatientQuery",
    }
