"""The normal form of a line: what its fact seals, and what its digest covers.

Identifiers are written compactly, so that the same line has the same digest however a pharmacy
punctuates them; one that fails its check (where policy lets it pass) stays as submitted. A form is
a JSON document with the members of `schemas.dispensation.LineContent` in their order, so its bytes
and its RFC 8785 form both come straight from it: a body was validated when it was read.
"""

from datetime import datetime
from typing import Final, NamedTuple, Protocol

from pydantic_core import to_json
from stdnum import ean

from schemas.dispensation import (
    CorrectBody,
    MagistralPreparation,
    MedicinalProduct,
    Prescription,
    Product,
    RegisterBody,
    RevokeBody,
    SubmittedLine,
    UnregisteredProduct,
)
from schemas.identifiers import cnk, guid, nihdi, rid
from schemas.model import Model
from streams.quality import scans
from streams.quality.scans import Scanned

Document = dict[str, object]
_NOTHING: Final = Scanned(None, None, None)


class Delivered(Protocol):
    """What rules compare of a line, be it of this submission or opened from the record."""

    @property
    def sguid(self) -> str:
        """The visit."""
        ...

    @property
    def delivered_at(self) -> datetime:
        """When the visit took place."""
        ...

    @property
    def product(self) -> Product:
        """What was delivered or, with negative units, brought back."""
        ...

    @property
    def units(self) -> int:
        """How much of it."""
        ...

    @property
    def returns(self) -> str | None:
        """DGUID of the line that comes back."""
        ...


class NormalLine(NamedTuple):
    """`Delivered`: a submitted line in its normal form; `written` is what its fact seals."""

    sguid: str
    delivered_at: datetime
    product: Product
    units: int
    returns: str | None
    document: Document
    written: bytes


class NormalRevocation(NamedTuple):
    """A revocation in its normal form."""

    document: Document
    written: bytes


def normal_line(pharmacy: str, body: RegisterBody | CorrectBody, line: SubmittedLine) -> NormalLine:
    """The normal form of a line whose visit, DGUIDs and pharmacy number are valid.

    What a barcode says of the pack is taken where the line does not say it; the barcode itself,
    which names a single pack, is not kept.
    """
    sguid, product = guid.compact(body.sguid), _product(line.product)
    returns = None if line.returns is None else guid.compact(line.returns)
    scanned = _NOTHING if line.scan is None else scans.read(line.scan) or _NOTHING
    members: Document = {
        "sguid": sguid,
        "pharmacy": pharmacy,
        "delivered_at": body.delivered_at.isoformat().replace("+00:00", "Z"),
        "product": _product_members(product),
        "units": line.units,
        "posology": None if line.posology is None else {"text": line.posology.text},
        "prescription": _prescription_members(line.prescription),
        "returns": returns,
        "batch": line.batch or scanned.batch,
        "expiry": line.expiry or (scanned.expiry and scanned.expiry.isoformat()),
        "motivation": line.motivation,
        "regimen": None if line.regimen is None else _members(line.regimen),
        "gtin": _gtin(line.gtin) or scanned.gtin,
    }
    document = {name: value for name, value in members.items() if value is not None}
    moment = body.delivered_at
    return NormalLine(sguid, moment, product, line.units, returns, document, to_json(document))


def normal_revocation(body: RevokeBody) -> NormalRevocation:
    """What the fact of a revocation seals."""
    document: Document = {"sguid": guid.compact(body.sguid)}
    if body.reason is not None:
        document["reason"] = body.reason
    return NormalRevocation(document, to_json(document))


def same_product(one: Product, other: Product) -> bool:
    """Whether two lines are of the same product, or of one described in the same way."""
    if one.kind == "cnk" and other.kind == "cnk":
        return one.cnk == other.cnk
    return one == other


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


def _code_or_none(written: str | None) -> str | None:
    return None if written is None else cnk.code(written) or written


def _product_members(product: Product) -> Document:
    if product.kind == "cnk":
        return {"kind": "cnk", "cnk": product.cnk}
    return _members(product)


def _prescription_members(given: Prescription | None) -> Document | None:
    if given is None:
        return None
    members: Document = {}
    if given.prescriber is not None:
        members["prescriber"] = nihdi.normal(given.prescriber) or given.prescriber
    if given.rid is not None:
        members["rid"] = rid.normal(given.rid) or given.rid
    members["on_substance_name"] = given.on_substance_name
    return members


def _members(model: Model) -> Document:
    return model.model_dump(mode="json", exclude_none=True)


def _gtin(written: str | None) -> str | None:
    return scans.gtin14(written) if written is not None and ean.is_valid(written) else written
