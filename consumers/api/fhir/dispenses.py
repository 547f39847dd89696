"""Lines of the record as MedicationDispense in the profile BeMedicationDispense.

Only what the reader may see is there: what policy leaves out of a line is absent here, and where
the profile demands a member it says `masked`. Source: domain reference, section 8.1.
"""

import calendar
import re
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from consumers.api.fhir import systems
from consumers.api.fhir.datatypes import (
    Absent,
    Annotation,
    CodeableConcept,
    Coding,
    Extension,
    Identifier,
    Meta,
    Period,
    Quantity,
    Reference,
    masked,
)
from consumers.api.fhir.resources import (
    Batch,
    Dosage,
    DoseAndRate,
    Ingredient,
    Medication,
    MedicationDispense,
    Performer,
    Repeat,
    Timing,
)
from consumers.api.views import LineView, ProductView
from schemas.dispensation import Prescription, Regimen

CONTAINED: Final = "medication"
MOMENTS: Final[Mapping[str, str]] = {
    "morning": "MORN",
    "noon": "NOON",
    "evening": "EVE",
    "bedtime": "HS",
}
"""Moments of a regimen as codes of FHIR's EventTiming."""
_EXPIRY: Final = re.compile(r"(\d\d)(\d\d)(\d\d)")


def dispense(line: LineView, patient: str) -> MedicationDispense:
    """A line about the patient with this national number."""
    medication = _contained(line)
    return MedicationDispense(
        id=line.dguid,
        meta=Meta(version_id=str(line.version), profile=(systems.BE_MEDICATION_DISPENSE,)),
        contained=(medication,) if medication else None,
        extension=tuple(_extensions(line)) or None,
        identifier=(Identifier(system=systems.DGUID, value=line.dguid),),
        status="entered-in-error" if line.status == "revoked" else "completed",
        medication_codeable_concept=None if medication else _concept(line.product),
        medication_reference=Reference(reference=f"#{CONTAINED}") if medication else None,
        subject=Reference(
            type="Patient", identifier=Identifier(system=systems.SSIN, value=patient)
        ),
        context=_visit(line.sguid),
        performer=(_performer(line.pharmacy),),
        authorizing_prescription=_prescription(line.prescription),
        quantity=_packs(line.units),
        when_handed_over=line.delivered_at,
        when_handed_over_element=None if line.delivered_at else Absent(extension=masked()),
        note=(Annotation(text=line.motivation),) if line.motivation else None,
        dosage_instruction=_dosages(line),
    )


def _visit(sguid: str | None) -> Reference | None:
    if sguid is None:
        return None
    return Reference(type="Encounter", identifier=Identifier(system=systems.SGUID, value=sguid))


def _performer(pharmacy: str | None) -> Performer:
    actor = (
        Reference(type="Organization", display="not shown", extension=masked())
        if pharmacy is None
        else Reference(
            type="Organization", identifier=Identifier(system=systems.NIHDI, value=pharmacy)
        )
    )
    return Performer(function=CodeableConcept(text="dispenser"), actor=actor)


def _packs(units: int | None) -> Quantity | None:
    """Packs; fewer than none when they came back."""
    if units is None:
        return None
    return Quantity(value=Decimal(units), unit="package", system=systems.PACKAGING, code="package")


def _prescription(prescription: Prescription | None) -> tuple[Reference, ...] | None:
    """The prescription by its number, or only that there is one."""
    if prescription is None:
        return None
    further = [Extension(url=_own("on-substance-name"), value_boolean=True)]
    if not prescription.on_substance_name:
        further.clear()
    if prescription.prescriber is not None:
        number = Identifier(system=systems.NIHDI, value=prescription.prescriber)
        further.append(Extension(url=_own("prescriber"), value_identifier=number))
    rid = prescription.rid
    return (
        Reference(
            extension=tuple(further) or None,
            type="MedicationRequest",
            identifier=Identifier(system=systems.PRESCRIPTION, value=rid) if rid else None,
            display=None if rid else "prescribed",
        ),
    )


def _extensions(line: LineView) -> Iterator[Extension]:
    if line.returns is not None:
        returned = Identifier(system=systems.DGUID, value=line.returns)
        yield Extension(url=_own("returns"), value_identifier=returned)
    if line.returned:
        yield Extension(url=_own("units-returned"), value_integer=line.returned)
        yield Extension(url=_own("units-left"), value_integer=line.left)
    if line.score is not None:
        yield Extension(url=_own("quality-score"), value_integer=line.score)
    for code in line.warnings:
        yield Extension(url=_own("quality-warning"), value_code=code)


def _own(name: str) -> str:
    return f"{systems.OWN}/{name}"


def _concept(product: ProductView | None) -> CodeableConcept:
    if product is None:
        return CodeableConcept(extension=masked())
    if product.kind != "cnk":
        return CodeableConcept(text=_words(product))
    return CodeableConcept(coding=(_cnk(product),), text=_words(product))


def _cnk(product: ProductView) -> Coding:
    name, dutch = product.name_fr or product.name_nl, product.name_nl
    translated = dutch is not None and dutch != name
    return Coding(
        system=systems.CNK,
        code=product.cnk,
        display=name,
        display_element=Absent(extension=(_translation("nl", dutch),))
        if dutch is not None and translated
        else None,
    )


def _translation(language: str, text: str) -> Extension:
    return Extension(
        url=systems.TRANSLATION,
        extension=(
            Extension(url="lang", value_code=language),
            Extension(url="content", value_string=text),
        ),
    )


def _words(product: ProductView) -> str | None:
    detail = product.detail or {}
    if product.kind == "unregistered":
        return str(detail.get("description", "")) or None
    if product.kind == "magistral":
        return str(detail.get("text") or "magistral preparation")
    name = product.name_fr or product.name_nl
    return f"{name} ({product.pack})" if name and product.pack else name


def _contained(line: LineView) -> Medication | None:
    """What a code alone does not say: a preparation, or the batch of a pack."""
    product, batch = line.product, _batch(line)
    if product is None or (product.kind != "magistral" and batch is None and line.gtin is None):
        return None
    detail = product.detail or {}
    form = detail.get("galenic_form") or product.form
    codings = [_cnk(product)] if product.kind == "cnk" else []
    if line.gtin is not None:
        codings.append(Coding(system=systems.GTIN, code=line.gtin))
    if detail.get("formula_cnk"):
        codings.append(Coding(system=systems.CNK, code=str(detail["formula_cnk"])))
    ingredients = tuple(_ingredient(one) for one in detail.get("compounds") or ())
    return Medication(
        id=CONTAINED,
        code=CodeableConcept(coding=tuple(codings) or None, text=_amount(product, detail)),
        form=CodeableConcept(text=str(form)) if form else None,
        ingredient=ingredients or None,
        batch=batch,
    )


def _amount(product: ProductView, detail: Mapping[str, Any]) -> str | None:
    """The words for what was dispensed, with the quantity prepared."""
    words, quantity = _words(product), detail.get("quantity")
    return f"{words}, {quantity}" if words and quantity else words


def _ingredient(compound: Mapping[str, Any]) -> Ingredient:
    parts = (compound.get("prefix"), compound.get("name"), compound.get("quantity"))
    cnk = compound.get("cnk")
    return Ingredient(
        item_codeable_concept=CodeableConcept(
            coding=(Coding(system=systems.CNK, code=str(cnk)),) if cnk else None,
            text=" ".join(str(part) for part in parts if part) or None,
        )
    )


def _batch(line: LineView) -> Batch | None:
    """None if nothing is known of it, or nothing that can be written: FHIR has no empty members."""
    expires = expiry_text(line.expiry) if line.expiry else None
    if line.batch is None and expires is None:
        return None
    return Batch(lot_number=line.batch, expiration_date=expires)


def expiry_text(expiry: str) -> str | None:
    """The last day of use as FHIR writes it; YYMMDD, as in a barcode, is spelled out."""
    compact = _EXPIRY.fullmatch(expiry)
    if compact is None:
        return expiry if re.fullmatch(r"\d{4}-\d\d(-\d\d)?", expiry) else None
    year, month, day = (int(part) for part in compact.groups())
    try:
        last = calendar.monthrange(2000 + year, month)[1]
        return date(2000 + year, month, day or last).isoformat()
    except ValueError:
        return None


def _dosages(line: LineView) -> tuple[Dosage, ...] | None:
    """In words and in figures, as the pharmacy gave them."""
    text = line.posology.text if line.posology else None
    if line.regimen is not None:
        return (_regimen(line.regimen, text),)
    return (Dosage(text=text, patient_instruction=text),) if text else None


def _regimen(regimen: Regimen, text: str | None) -> Dosage:
    moments = tuple(MOMENTS[one] for one in regimen.moments or ())
    often = regimen.times_per_day is not None or regimen.every_days is not None or moments
    bounds = Period(start=regimen.begin, end=regimen.end)
    repeat = Repeat(
        bounds_period=bounds if regimen.begin or regimen.end else None,
        frequency=regimen.times_per_day or (len(moments) or 1) if often else None,
        period=Decimal(regimen.every_days or 1) if often else None,
        period_unit="d" if often else None,
        when=moments or None,
    )
    amount = _decimal(regimen.quantity)
    words = f"{regimen.quantity} {regimen.unit}"
    return Dosage(
        text=text if text or amount is not None else words,
        patient_instruction=text,
        timing=Timing(repeat=repeat) if repeat != Repeat() else None,
        as_needed_boolean=regimen.as_needed,
        route=CodeableConcept(text=regimen.route) if regimen.route else None,
        dose_and_rate=(DoseAndRate(dose_quantity=Quantity(value=amount, unit=regimen.unit)),)
        if amount is not None
        else None,
    )


def _decimal(text: str) -> Decimal | None:
    try:
        found = Decimal(text.replace(",", "."))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None
