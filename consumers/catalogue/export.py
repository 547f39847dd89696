"""Reads the files of a SAM v2 export into catalogue entries, in bounded memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from consumers.catalogue.files import Document, documents
from consumers.catalogue.sam import Tally, entries_of
from consumers.catalogue.xmlrecords import NotReadable, Records
from schemas.catalogue import CatalogueEntry

ROOTS: Final = (
    "ExportActualMedicines",
    "ExportNonMedicinal",
    "ExportCompounding",
    "ExportImportedMedicines",
)
"""How the names of the roots begin whose records give entries."""
FAMILY: Final = "Export"
"""How every root of a SAM v2 export begins."""
MEBIBYTE: Final = 1 << 20

Told = Callable[[str, int, int], None]


@dataclass(slots=True)
class Reading:
    """What a reading of an export found: names of documents read and passed over, and counts."""

    tally: Tally = field(default_factory=Tally)
    read: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def entries(paths: Sequence[Path], reading: Reading, told: Told) -> Iterator[CatalogueEntry]:
    """The entries of an export's files; `told` hears how many MiB of each document are done.

    Documents of other parts of an export (prices, legislation) are passed over.

    Raises:
        NotReadable: a document is damaged, malformed, or of no SAM v2 export, or none of them has
            products.
        OSError: a file cannot be read.
    """
    for document in documents(paths):
        records = Records(document)
        if not records.root.startswith(FAMILY):
            raise NotReadable(
                f"{document.name} is no SAM v2 export: its root is {records.root[:40]!r}, not "
                "Export...."
            )
        if records.root.startswith(ROOTS):
            reading.read.append(document.name)
            yield from _entries(document, records, reading.tally, told)
        else:
            reading.skipped.append(document.name)
    if not reading.read:
        raise NotReadable(
            "The files hold no products: give the parts of the SAM v2 export named AMP, "
            "NONMEDICINAL, CMP or IMPP, or the whole archive."
        )


def _entries(
    document: Document, records: Records, tally: Tally, told: Told
) -> Iterator[CatalogueEntry]:
    step = f"{document.name} (MiB)"
    total = document.total // MEBIBYTE
    done = 0
    told(step, 0, total)
    for record in records:
        yield from entries_of(record, tally)
        if document.done // MEBIBYTE > done:
            done = document.done // MEBIBYTE
            told(step, min(done, total), total)
    told(step, total, total)
