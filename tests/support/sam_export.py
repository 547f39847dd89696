"""Writes synthetic SAM v2 exports of any size, shaped like the real parts of one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from schemas.identifiers import cnk

_SPACES: Final = (
    'xmlns="urn:be:fgov:ehealth:samws:v2:export" xmlns:c="urn:be:fgov:ehealth:samws:v2:core" '
    'xmlns:a="urn:be:fgov:ehealth:samws:v2:actual:common" '
    'xmlns:r="urn:be:fgov:ehealth:samws:v2:refdata"'
)
_MEDICINE: Final = """ <Amp code="SAM{number:06d}-00" vmpCode="{number}">
  <Data from="2000-01-01"><a:OfficialName>Médicament {number}</a:OfficialName>
   <a:Status>AUTHORIZED</a:Status><a:Name><c:Fr>Médicament {number}</c:Fr>
   <c:Nl>Geneesmiddel {number}</c:Nl></a:Name><a:BlackTriangle>false</a:BlackTriangle>
   <a:MedicineType>ALLOPATHIC</a:MedicineType></Data>
  <AmpComponent sequenceNr="1"><Data from="2000-01-01"><PharmaceuticalForm code="1"><r:Name>
   <c:Fr>comprimé</c:Fr><c:Nl>tablet</c:Nl><c:En>tablet</c:En></r:Name></PharmaceuticalForm></Data>
   <RealActualIngredient rank="1"><Data from="2000-01-01"><a:Type>ACTIVE_SUBSTANCE</a:Type></Data>
   </RealActualIngredient></AmpComponent>
{packs} </Amp>
"""
_PACK: Final = """  <Ampp ctiExtended="{number:06d}-{pack:02d}">
   <Data from="2000-01-01" to="2014-12-31"><a:AuthorisationNr>BE{number}</a:AuthorisationNr>
    <a:PackDisplayValue>{pack}0</a:PackDisplayValue><a:Status>AUTHORIZED</a:Status>
    <a:PrescriptionNameFamhp><c:Fr>Ancien {number} {pack}0</c:Fr></a:PrescriptionNameFamhp>
    <Atc code="N02BE01"><r:Description>Paracetamol</r:Description></Atc></Data>
   <Data from="2015-01-01"><a:AuthorisationNr>BE{number}</a:AuthorisationNr>
    <a:PackDisplayValue>{pack}0</a:PackDisplayValue><a:Status>AUTHORIZED</a:Status>
    <a:PrescriptionNameFamhp><c:Fr>Médicament {number} comprimés {pack}0</c:Fr>
    <c:Nl>Geneesmiddel {number} tabletten {pack}0</c:Nl><c:De>Arznei {number} {pack}0</c:De>
    <c:En>Medicine {number} {pack}0</c:En></a:PrescriptionNameFamhp>
    <Atc code="N02BE01"><r:Description>Paracetamol</r:Description></Atc></Data>
   <Dmpp deliveryEnvironment="P" code="{public}" codeType="CNK" ProductId="x">
    <Data from="2001-02-03"><Price>1.0</Price></Data></Dmpp>
   <Dmpp deliveryEnvironment="H" code="{hospital}" codeType="CNK" ProductId="y">
    <Data from="2001-02-03"><Price>1.0</Price></Data></Dmpp>
  </Ampp>
"""
PACKS_EACH: Final = 4


def root(name: str, content: str) -> str:
    """A document of the export with this content."""
    declared = '<?xml version="1.0" encoding="UTF-8"?>'
    return f'{declared}\n<{name} version="6" {_SPACES}>\n{content}</{name}>\n'


def code(number: int) -> str:
    """The CNK whose first six digits are these."""
    first = f"{number:06d}"
    return first + cnk.check_digit(first)


def medicines(packs: int) -> Iterator[str]:
    """An export of medicines, piece by piece; each pack has a public and a hospital code."""
    start, end = root("ExportActualMedicines", "\0").split("\0")
    yield start
    for number in range(packs // PACKS_EACH):
        yield _MEDICINE.format(
            number=number,
            packs="".join(
                _PACK.format(
                    number=number,
                    pack=pack + 1,
                    public=code(1 + 2 * (number * PACKS_EACH + pack)),
                    hospital=code(2 + 2 * (number * PACKS_EACH + pack)),
                )
                for pack in range(PACKS_EACH)
            ),
        )
    yield end


def write_medicines(path: Path, packs: int) -> None:
    """Writes an export of so many packs without holding it in memory."""
    with path.open("w", encoding="utf-8") as opened:
        opened.writelines(medicines(packs))
