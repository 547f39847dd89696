"""The normal form of a line: what its fact seals, and what its digest covers.

Identifiers are written compactly, so that the same line has the same digest however a pharmacy
punctuates them; one that fails its check (where policy lets it pass) stays as submitted.
"""

from collections.abc import Callable

from pydantic_core import from_json
from stdnum import ean
from stdnum.exceptions import ValidationError

from schemas.dispensation import (
    CorrectBody,
    LineContent,
    MagistralPreparation,
    MedicinalProduct,
    Prescription,
    Product,
    RegisterBody,
    RevocationContent,
    RevokeBody,
    SubmittedLine,
    UnregisteredProduct,
)
from schemas.identifiers import cnk, nihdi, rid
from schemas.sealing import facts
from streams.quality import scans


def line_content(
    pharmacy: str, body: RegisterBody | CorrectBody, line: SubmittedLine
) -> LineContent:
    """What the fact of a line seals; visit, DGUIDs and pharmacy number are valid already.

    What a barcode says of the pack is taken where the line does not say it; the barcode itself,
    which names a single pack, is not kept.
    """
    scanned = scans.read(line.scan) if line.scan is not None else None
    gtin = line.gtin and (scans.gtin14(line.gtin) if ean.is_valid(line.gtin) else line.gtin)
    expiry = scanned.expiry.isoformat() if scanned and scanned.expiry else None
    return LineContent(
        sguid=body.sguid,
        pharmacy=pharmacy,
        delivered_at=body.delivered_at,
        product=_product(line.product),
        units=line.units,
        posology=line.posology,
        prescription=_prescription(line.prescription),
        returns=line.returns,
        batch=line.batch or (scanned.batch if scanned else None),
        expiry=line.expiry or expiry,
        motivation=line.motivation,
        regimen=line.regimen,
        gtin=gtin or (scanned.gtin if scanned else None),
    )


def revocation_content(body: RevokeBody) -> RevocationContent:
    """What the fact of a revocation seals."""
    return RevocationContent(sguid=body.sguid, reason=body.reason)


def digest(subject_secret: bytes, written: bytes) -> str:
    """The keyed digest of a normal form, by its bytes."""
    return facts.line_digest(subject_secret, from_json(written))


def _product(product: Product) -> Product:
    match product:
        case MedicinalProduct():
            code = cnk.code(product.cnk) or product.cnk
            return product if code == product.cnk else MedicinalProduct(cnk=code)
        case MagistralPreparation():
            return _preparation(product)
        case UnregisteredProduct():
            return product


def _preparation(product: MagistralPreparation) -> MagistralPreparation:
    compounds = product.compounds
    if compounds is not None:
        compounds = tuple(
            compound.model_copy(update={"cnk": _code_or_none(compound.cnk)})
            for compound in compounds
        )
    formula = _code_or_none(product.formula_cnk)
    return product.model_copy(update={"compounds": compounds, "formula_cnk": formula})


def _prescription(prescription: Prescription | None) -> Prescription | None:
    if prescription is None:
        return None
    prescriber = _compact_or_none(nihdi.validate, prescription.prescriber)
    number = _compact_or_none(rid.validate, prescription.rid)
    if (prescriber, number) == (prescription.prescriber, prescription.rid):
        return prescription
    return Prescription(
        prescriber=prescriber, rid=number, on_substance_name=prescription.on_substance_name
    )


def _code_or_none(written: str | None) -> str | None:
    return None if written is None else cnk.code(written) or written


def _compact_or_none(validate: Callable[[str], str], number: str | None) -> str | None:
    return None if number is None else _compact(validate, number)


def _compact(validate: Callable[[str], str], number: str) -> str:
    try:
        return validate(number)
    except ValidationError:
        return number
