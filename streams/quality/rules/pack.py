"""The pack: batch, expiry and GTIN, as given and as the barcode says."""

import re
from typing import Final

from stdnum import ean

from schemas.dispensation import SubmittedLine
from streams.quality import scans
from streams.quality.rules.base import Context, Findings, LineRule
from streams.quality.scans import Scanned

_BATCH: Final = re.compile(r"""[!"%&'()*+,\-./0-9:;<=>?A-Z_a-z]{1,20}\Z""")
"""AI 10: up to 20 characters of the GS1 character set 82."""


def pack(context: Context, line: SubmittedLine, _index: int) -> Findings:
    """What is given has its form, the barcode agrees with it, and nothing expired was delivered."""
    if line.batch is line.expiry is line.gtin is line.scan is None:
        return ()
    found = _given(line)
    scanned = None
    if line.scan is not None:
        scanned = scans.read(line.scan)
        found += _against(line, scanned) if scanned else (("SCAN_INVALID", "/scan"),)
    return found + _expired(context, line, scanned)


def _given(line: SubmittedLine) -> Findings:
    found: Findings = ()
    if line.batch is not None and _BATCH.match(line.batch) is None:
        found += (("BATCH_DOUBTFUL", "/batch"),)
    if line.expiry is not None and scans.expiry_day(line.expiry) is None:
        found += (("EXPIRY_INVALID", "/expiry"),)
    if line.gtin is not None and not ean.is_valid(line.gtin):
        found += (("GTIN_INVALID", "/gtin"),)
    return found


def _against(line: SubmittedLine, scanned: Scanned) -> Findings:
    given = {
        "batch": (line.batch, scanned.batch),
        "expiry": (line.expiry and scans.expiry_day(line.expiry), scanned.expiry),
        "gtin": (line.gtin and scans.gtin14(line.gtin), scanned.gtin),
    }
    return tuple(
        ("SCAN_DIFFERS", f"/{member}")
        for member, (stated, read) in given.items()
        if stated is not None and read is not None and stated != read
    )


def _expired(context: Context, line: SubmittedLine, scanned: Scanned | None) -> Findings:
    if context.day is None or line.units < 0:
        return ()
    stated = scans.expiry_day(line.expiry) if line.expiry is not None else None
    read = scanned.expiry if scanned else None
    expires = stated or read
    if expires is None or expires >= context.day:
        return ()
    return (("PRODUCT_EXPIRED", "/scan" if stated is None else "/expiry"),)


RULES: Final = (
    LineRule(
        (
            "BATCH_DOUBTFUL",
            "EXPIRY_INVALID",
            "GTIN_INVALID",
            "SCAN_INVALID",
            "SCAN_DIFFERS",
            "PRODUCT_EXPIRED",
        ),
        pack,
    ),
)
