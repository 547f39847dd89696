"""Files of an export: how they are packed, what is refused, how much memory reading takes."""

import gzip
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from consumers.catalogue import xmlrecords
from consumers.catalogue.export import Reading, entries
from consumers.catalogue.files import origin
from consumers.catalogue.xmlrecords import NotReadable
from infra.errors import InfrastructureError
from schemas.catalogue import CatalogueEntry
from tests.support.sam_export import medicines, root, write_medicines

PRODUCT = '<NonMedicinalProduct code="3319522"><Data from="2010-01-01"/></NonMedicinalProduct>'
PRODUCTS = root("ExportNonMedicinalProducts", PRODUCT)
PRICES = root("ExportReimbursements", "<ReimbursementContext/>")


def quiet(_step: str, _done: int, _total: int) -> None:
    """Hears nothing."""


def read(*paths: Path, reading: Reading | None = None) -> list[CatalogueEntry]:
    return list(entries(paths, reading or Reading(), quiet))


def plain(path: Path, content: bytes) -> Path:
    made = path / "export.xml"
    made.write_bytes(content)
    return made


def gzipped(path: Path, content: bytes) -> Path:
    made = path / "export.xml.gz"
    made.write_bytes(gzip.compress(content))
    return made


def zipped(path: Path, content: bytes) -> Path:
    made = path / "export.zip"
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("AMP-1.xml", content)
        archive.writestr("RMB-1.xml", PRICES)
        archive.writestr("readme.txt", "not XML")
    return made


@pytest.mark.parametrize("pack", [plain, gzipped, zipped])
def test_an_export_may_be_plain_or_packed(
    tmp_path: Path, pack: Callable[[Path, bytes], Path]
) -> None:
    found = read(pack(tmp_path, "".join(medicines(8)).encode()))
    assert len({one.cnk for one in found}) == 16
    assert len(found) == 32


def test_parts_that_hold_no_products_are_passed_over_and_named(tmp_path: Path) -> None:
    reading = Reading()
    read(zipped(tmp_path, PRODUCTS.encode()), reading=reading)
    assert reading.read == ["export.zip/AMP-1.xml"]
    assert reading.skipped == ["export.zip/RMB-1.xml"]


def test_several_files_are_one_export(tmp_path: Path) -> None:
    first, second = plain(tmp_path, PRODUCTS.encode()), gzipped(tmp_path, PRODUCTS.encode())
    assert len(read(first, second)) == 2
    assert origin([first, second]).source == "export.xml, export.xml.gz"
    assert origin([first, second]).sha256 != origin([second, first]).sha256


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_the_encoding_that_a_file_declares_is_kept_to(tmp_path: Path, encoding: str) -> None:
    named = PRODUCTS.replace("/></Non", "><Name><c:Fr>gélule</c:Fr></Name></Data></Non")
    content = named.replace("UTF-8", encoding).encode(encoding)
    assert read(plain(tmp_path, content))[0].names == {"fr": "gélule"}


def test_progress_grows_to_its_end(tmp_path: Path) -> None:
    file = tmp_path / "export.xml"
    write_medicines(file, 3000)
    heard: list[tuple[str, int, int]] = []
    list(entries([file], Reading(), lambda *told: heard.append(told)))
    total = file.stat().st_size >> 20
    assert total >= 3
    assert [done for _, done, _ in heard] == [*range(total + 1), total][: len(heard)]
    assert heard[-1] == ("export.xml (MiB)", total, total)


BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><ExportNonMedicinal>&b;'
    "</ExportNonMedicinal>"
)
OUTSIDE = '<!DOCTYPE x SYSTEM "file:///etc/hostname"><ExportNonMedicinal/>'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "not well-formed XML, line 1"),
        ("no XML", "not well-formed XML, line 1"),
        (PRODUCTS[:-30], "not well-formed XML, line 3"),
        (PRODUCTS + "<more/>", "not well-formed XML, line 4"),
        (PRODUCTS.replace("/></Non", "></Wrong></Non"), "not well-formed XML, line 3"),
        (PRODUCTS.replace("UTF-8", "no-such-encoding"), "not well-formed XML"),
        (PRODUCTS.replace("2010-01-01", "\x01"), "not well-formed XML"),
        (PRODUCTS.replace("2010-01-01", "&nothing;"), "not well-formed XML"),
        (BOMB, "declares a document type"),
        (OUTSIDE, "declares a document type"),
        ("<html/>", "its root is 'html'"),
        (root("ExportReimbursements", ""), "hold no products"),
        ("<!-- " + "x" * xmlrecords.MAX_PROLOG_BYTES + " --><a/>", "no element in its first"),
    ],
)
def test_what_is_no_export_is_said_in_one_sentence(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(NotReadable, match=said):
        read(plain(tmp_path, content.encode()))


@pytest.mark.parametrize(
    "endless",
    ["<x/>" * (xmlrecords.MAX_RECORD_ELEMENTS + 1), "<x>" + "x" * (2 << 24), "<x>" * 300_000],
)
def test_a_record_without_end_is_given_up(tmp_path: Path, endless: str) -> None:
    content = f"<ExportActualMedicines><Amp>{endless}"
    with pytest.raises(NotReadable, match="a record without end"):
        read(plain(tmp_path, content.encode()))


def test_damaged_archives_are_said_in_one_sentence(tmp_path: Path) -> None:
    whole = "".join(medicines(400)).encode()
    packed = gzipped(tmp_path, whole)
    packed.write_bytes(packed.read_bytes()[:-100])
    with pytest.raises(NotReadable, match="damaged"):
        read(packed)
    archive = zipped(tmp_path, whole)
    content = bytearray(archive.read_bytes())
    content[200:260] = bytes(60)
    archive.write_bytes(content)
    with pytest.raises(NotReadable, match="damaged"):
        read(archive)


def test_an_encrypted_or_empty_archive_is_refused(tmp_path: Path) -> None:
    archive = zipped(tmp_path, PRODUCTS.encode())
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(content)
    with pytest.raises(NotReadable, match="is encrypted"):
        read(archive)
    with zipfile.ZipFile(archive, "w") as empty:
        empty.writestr("readme.txt", "")
    with pytest.raises(NotReadable, match="holds no XML file"):
        read(archive)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="is not a file"):
        origin([tmp_path / "missing.xml"])


def test_memory_does_not_grow_with_the_export(tmp_path: Path) -> None:
    """Traced is what the interpreter allocates, the elements of the XML included."""
    peaks = []
    for packs in (500, 4_000):
        file = tmp_path / f"{packs}.xml"
        write_medicines(file, packs)
        tracemalloc.start()
        try:
            count = sum(1 for _ in entries([file], Reading(), quiet))
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert count == 4 * packs
    assert max(peaks) < 4 << 20
    # Eight times the packs: what grew with them would be eight times as much.
    assert peaks[1] < 4 * peaks[0]
