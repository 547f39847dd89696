"""Catalogue entries from the records of a SAM v2 export.

Elements come with local names, for the namespaces differ between parts and versions of the export.
A medicine (AMP) has packs (AMPP), a pack has codes per delivery environment (DMPP), and each of the
three has its own periods: what is known of a code changes when any of them does. Products that are
no medicines, ingredients and formulas of preparations, and imported medicines carry their code
themselves. Source: domain reference section 5; schemas `urn:be:fgov:ehealth:samws:v2:*`.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Final
from xml.etree.ElementTree import Element

from consumers.catalogue.periods import ENDLESS, Period, cuts, day_of, in_force, joined
from schemas.catalogue import LANGUAGES, STATUSES, CatalogueEntry, EntryKind, EntryStatus
from schemas.identifiers import cnk as cnk_rules

CNK_LENGTH: Final = 7
MAX_EXAMPLES: Final = 10
_SHOWN: Final = 20
_XML_LANGUAGE: Final = "{http://www.w3.org/XML/1998/namespace}lang"

Block = Period[Element]


@dataclass(slots=True)
class Tally:
    """What was counted while reading, and examples of what was left out.

    `medicines`, `others`, `ingredients`, `formulas` and `imports` are records read. Left out were:
    `other_codes` (a code of another system than CNK), `not_cnk` (not seven digits, or 0000000),
    `bad_periods` (dates that are none, or an end before its start), `without_period` (a code that
    never held). `check_digits` codes fail the check digit and are kept all the same.
    """

    counts: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def miss(self, what: str, example: str) -> None:
        """Counts what was left out, and keeps the first examples."""
        self.counts[what] += 1
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(f"{what}: {example[:_SHOWN]!r}")


@dataclass(frozen=True, slots=True)
class _Claim:
    """That a pack carries a code in a delivery environment."""

    pack: tuple[Block, ...]
    environment: str


def entries_of(record: Element, tally: Tally) -> Iterator[CatalogueEntry]:
    """The entries that a record of an export gives; none if it is of another kind."""
    read = _READERS.get(record.tag)
    if read is not None:
        yield from read(record, tally)


class _Medicine:
    """A medicine's own periods, and what was made of them so far: its packs share most of it."""

    def __init__(self, record: Element, tally: Tally) -> None:
        components = record.findall("AmpComponent")
        self.blocks = _blocks(record, tally)
        self.forms = tuple(block for one in components for block in _blocks(one, tally))
        self._made: dict[tuple[int, int, int], CatalogueEntry] = {}

    def entry(self, pack: Element | None, day: date) -> CatalogueEntry:
        """What the pack is on that day; code, period and environments are to be filled in."""
        medicine, form = in_force(self.blocks, day), in_force(self.forms, day)
        key = (id(pack), id(medicine), id(form))
        if key not in self._made:
            self._made[key] = _medicine_entry(pack, medicine, form)
        return self._made[key]


def _medicine(record: Element, tally: Tally) -> Iterator[CatalogueEntry]:
    tally.counts["medicines"] += 1
    medicine = _Medicine(record, tally)
    claims: dict[str, list[Period[_Claim]]] = {}
    for package in record.findall("Ampp"):
        pack = _blocks(package, tally)
        for delivery in package.findall("Dmpp"):
            code = _code(delivery.get("code"), delivery, tally)
            if code is None:
                continue
            spans = _blocks(delivery, tally) or pack or medicine.blocks
            if not spans:
                tally.miss("without_period", code)
                continue
            claim = _Claim(pack, delivery.get("deliveryEnvironment") or "")
            held = claims.setdefault(code, [])
            held.extend(Period(span.first, span.last, claim) for span in spans)
    for code, held in claims.items():
        yield from _code_of_medicine(code, held, medicine)


def _code_of_medicine(
    code: str, claims: Sequence[Period[_Claim]], medicine: _Medicine
) -> Iterator[CatalogueEntry]:
    packs = (block for claim in claims for block in claim.value.pack)
    found = []
    for first, last in cuts(claims, (*packs, *medicine.blocks, *medicine.forms)):
        holding = [claim for claim in claims if claim.holds_on(first)]
        pack = in_force(max(holding, key=lambda one: one.first).value.pack, first)
        environments = {claim.value.environment for claim in holding} - {""}
        known = medicine.entry(pack, first)
        found.append(Period(first, last, (known, tuple(sorted(environments)))))
    for one in joined(found):
        known, sold = one.value
        yield _dated(code, one, known, sold)


def _medicine_entry(
    pack: Element | None, medicine: Element | None, form: Element | None
) -> CatalogueEntry:
    homeopathic = _text(medicine, "MedicineType").upper() == "HOMEOPATHIC"
    return CatalogueEntry(
        "",
        ENDLESS,
        kind="homeopathic" if homeopathic else "medicine",
        names=_first_names(
            (pack, "PrescriptionNameFamhp"),
            (pack, "AbbreviatedName"),
            (medicine, "PrescriptionNameFamhp"),
            (medicine, "Name"),
        ),
        atc=_attribute(_child(pack, "Atc"), "code"),
        pack=_display(_child(pack, "PackDisplayValue")),
        form=_display(_child(_child(form, "PharmaceuticalForm"), "Name")),
        status=_worst(_text(pack, "Status"), _text(medicine, "Status")),
    )


def _simple(kind: EntryKind, counted: str) -> "Reader":
    """A reader of records that carry one CNK as attribute and their names in each period."""

    def read(record: Element, tally: Tally) -> Iterator[CatalogueEntry]:
        tally.counts[counted] += 1
        code = _code(record.get("code"), record, tally)
        if code is None:
            return
        blocks = sorted(_blocks(record, tally), key=lambda one: one.first)
        if not blocks:
            tally.miss("without_period", code)
        named = [Period(one.first, one.last, _names(one.value)) for one in blocks]
        for one in joined(named):
            yield _dated(code, one, CatalogueEntry(code, ENDLESS, kind=kind, names=one.value))

    return read


def _imported(record: Element, tally: Tally) -> Iterator[CatalogueEntry]:
    """An imported medicine names its CNK, and has one name, in each of its periods."""
    tally.counts["imports"] += 1
    for one in _blocks(record, tally):
        code = _code(_text(one.value, "CNK"), record, tally)
        if code is None:
            continue
        name = _text(one.value, "Name")
        known = CatalogueEntry(
            code,
            ENDLESS,
            names=dict.fromkeys(("fr", "nl"), name) if name else {},
            pack=_text(one.value, "PackSize"),
            form=_display(_child(_child(one.value, "PharmaceuticalFormCode"), "Name")),
        )
        yield _dated(code, one, known)


Reader = Callable[[Element, Tally], Iterator[CatalogueEntry]]
_READERS: Final[Mapping[str, Reader]] = MappingProxyType(
    {
        "Amp": _medicine,
        "NonMedicinalProduct": _simple("other", "others"),
        "CompoundingIngredient": _simple("ingredient", "ingredients"),
        "CompoundingFormula": _simple("preparation", "formulas"),
        "ImportedMedicinalProductPackage": _imported,
    }
)


def _dated(
    code: str, period: Period[object], known: CatalogueEntry, environments: tuple[str, ...] = ()
) -> CatalogueEntry:
    return CatalogueEntry(
        code,
        period.first,
        None if period.last == ENDLESS else period.last,
        kind=known.kind,
        names=known.names,
        atc=known.atc,
        pack=known.pack,
        form=known.form,
        status=known.status,
        environments=environments,
    )


def _code(code: str | None, holder: Element, tally: Tally) -> str | None:
    """The code if it is a CNK; its check digit is only counted, for the catalogue is the truth."""
    found = (code or "").strip()
    if (holder.get("codeType") or "CNK").upper() != "CNK":
        tally.counts["other_codes"] += 1
        return None
    digits = found.isascii() and found.isdigit() and len(found) == CNK_LENGTH
    if not digits or found == cnk_rules.NO_CODE:
        tally.miss("not_cnk", found)
        return None
    if not cnk_rules.is_valid(found):
        tally.counts["check_digits"] += 1
    return found


def _blocks(holder: Element, tally: Tally) -> tuple[Block, ...]:
    found = []
    for data in holder.findall("Data"):
        start, end = data.get("from") or "", data.get("to")
        try:
            first, last = day_of(start), day_of(end) if end else ENDLESS
        except ValueError:
            tally.miss("bad_periods", f"{start} {end or ''}")
            continue
        if last < first:
            tally.miss("bad_periods", f"{start} {end}")
            continue
        found.append(Period(first, last, data))
    return tuple(found)


def _child(holder: Element | None, name: str) -> Element | None:
    return None if holder is None else holder.find(name)


def _text(holder: Element | None, name: str) -> str:
    return "" if holder is None else _plain(holder.findtext(name))


def _plain(text: str | None) -> str:
    return " ".join((text or "").split())


def _attribute(holder: Element | None, name: str) -> str:
    return "" if holder is None else (holder.get(name) or "").strip()


def _translations(holder: Element | None) -> dict[str, str]:
    """Texts by language, from children `Fr`, `Nl`, `De`, `En`."""
    if holder is None:
        return {}
    texts = {child.tag.lower(): _plain(child.text) for child in holder}
    return {language: texts[language] for language in LANGUAGES if texts.get(language)}


def _display(holder: Element | None) -> str:
    """A text that stands alone: in English if it has translations, or in the first of them."""
    if holder is None:
        return ""
    texts = _translations(holder)
    return texts.get("en") or next(iter(texts.values()), "") or _plain(holder.text)


def _first_names(*places: tuple[Element | None, str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for holder, name in reversed(places):
        names |= _translations(_child(holder, name))
    return {language: names[language] for language in LANGUAGES if language in names}


def _names(data: Element) -> dict[str, str]:
    """Names of a product, or of an ingredient, whose best-ranked synonym in a language it is."""
    names = _translations(data.find("Name"))
    for synonym in sorted(data.findall("Synonym"), key=_rank):
        language, text = (synonym.get(_XML_LANGUAGE) or "").lower()[:2], _plain(synonym.text)
        if language in LANGUAGES and text:
            names.setdefault(language, text)
    return names


def _rank(synonym: Element) -> int:
    rank = synonym.get("rank") or ""
    return int(rank) if rank.isascii() and rank.isdigit() else MAX_EXAMPLES**6


def _worst(*texts: str) -> EntryStatus | None:
    """The status that says least: a pack of a revoked medicine is not authorised."""
    known = [status for status in STATUSES if status in {text.lower() for text in texts}]
    return known[-1] if known else None
