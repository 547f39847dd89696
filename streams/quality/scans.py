r"""GS1 barcodes of packs as scanners give them, and the dates on packs.

FMD packs carry GTIN (AI 01), expiry (17), batch (10) and serial number (21); FNC1 ends a field of
variable length and arrives as U+001D. The serial number names one pack, so it is not kept.

Source: domain reference 4.3; GS1 General Specifications.

>>> read(']d2010541234500001317281100' + '10AB12' + '\x1d' + '21XYZ9')
Scanned(gtin='05412345000013', batch='AB12', expiry=datetime.date(2028, 11, 30))
>>> read('(01)05412345000013') is None
True
"""

import calendar
import re
from dataclasses import dataclass
from datetime import date
from typing import Final

from biip import BiipException, ParseConfig
from biip.gs1_messages import GS1Message
from stdnum import ean

SEPARATOR: Final = "\x1d"
_GTIN_DIGITS: Final = 14
_SYMBOLOGY: Final = re.compile(r"\](?:d2|C1|e0|Q3|J1)")
"""Symbology identifiers of barcodes with GS1 content: DataMatrix, GS1-128, DataBar, QR, DotCode."""
# biip would place two-digit years by the present day, and a replay in another year differently.
_CONFIG: Final = ParseConfig(gs1_element_strings_verify_date=False)
_COMPACT: Final = re.compile(r"([0-9]{2})([0-9]{2})([0-9]{2})\Z")
_WRITTEN: Final = re.compile(r"([0-9]{4})-([0-9]{2})(?:-([0-9]{2}))?\Z")


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a barcode says of its pack; the GTIN has 14 digits."""

    gtin: str | None
    batch: str | None
    expiry: date | None


def read(scan: str) -> Scanned | None:
    """What a barcode says; None if it is no GS1 content, or says nothing of batch, expiry, GTIN."""
    if scan.startswith("]") and _SYMBOLOGY.match(scan) is None:
        return None
    text = _SYMBOLOGY.sub("", scan, count=1).strip(SEPARATOR).strip()
    try:
        elements = GS1Message.parse(text, config=_CONFIG).element_strings
    except BiipException:
        return None
    values = {element.ai.ai: element.value for element in elements}
    if "01" in values and not ean.is_valid(values["01"]):
        return None
    scanned = Scanned(values.get("01"), values.get("10"), expiry_day(values.get("17", "")))
    return None if scanned == Scanned(None, None, None) else scanned


def gtin14(gtin: str) -> str:
    """A GTIN of any length in 14 digits, as a barcode holds it."""
    return gtin.strip().rjust(_GTIN_DIGITS, "0")


def expiry_day(text: str) -> date | None:
    """The last day of use written YYYY-MM-DD, YYYY-MM or YYMMDD; None if it is none.

    A missing day, or 00, is the end of the month. Two-digit years are of this century: there are no
    older packs.
    """
    written, compact = _WRITTEN.match(text), _COMPACT.match(text)
    if written is not None:
        year, month, day = (int(part or 0) for part in written.groups())
    elif compact is not None:
        year, month, day = (int(part) for part in compact.groups())
        year += 2000
    else:
        return None
    try:
        return date(year, month, day or calendar.monthrange(year, month)[1])
    except (ValueError, calendar.IllegalMonthError):
        return None
