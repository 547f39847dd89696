"""An audit report as a page to print: one file, no script, nothing fetched; pure.

The page is a tree of elements and not a text, so whatever a report holds is escaped.
"""

from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

from consumers.audit.summary import AuditReport, Outcome, Section

_WORDS: Final[dict[Outcome, str]] = {
    "holds": "holds",
    "differs": "DIFFERS",
    "not_done": "not done",
}
_STYLE: Final = """
body { font: 11pt/1.4 system-ui, sans-serif; margin: 2rem auto; max-width: 52rem; padding: 0 1rem;
  color: #111; background: #fff; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 1.6rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border: 1px solid #767676; padding: .25rem .5rem; text-align: left;
  overflow-wrap: anywhere; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
code { overflow-wrap: anywhere; }
.differs { font-weight: bold; }
@media print {
  @page { size: A4; margin: 18mm; }
  body { font-size: 9.5pt; margin: 0; max-width: none; padding: 0; }
  h2 { break-after: avoid; } tr, li { break-inside: avoid; } thead { display: table-header-group; }
}
"""


def page(report: AuditReport, digest: str) -> str:
    """The page of a report; `digest` is the SHA-256 of its signed note, which the page repeats."""
    html = Element("html", lang="en")
    head = SubElement(html, "head")
    SubElement(head, "meta", charset="utf-8")
    SubElement(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    title = f"Audit report: {report.origin}"
    _text(head, "title", title)
    _text(head, "style", _STYLE)
    body = SubElement(html, "body")
    _text(body, "h1", title)
    _head(body, report, digest)
    _overview(body, report)
    for one in report.sections:
        if one.figures or one.details or one.findings:
            _section(body, one)
    return "<!DOCTYPE html>\n" + tostring(html, encoding="unicode", method="html") + "\n"


def _head(body: Element, report: AuditReport, digest: str) -> None:
    verdict = "Nothing that was looked at differs." if report.holds else "Something differs."
    if report.not_done:
        verdict += f" {len(report.not_done)} audits were not done."
    _text(body, "p", verdict, "verdict" if report.holds else "differs")
    table = _table(body, "What was audited", ("what", "value"))
    for name, value in (
        ("log", report.origin),
        ("leaves", str(report.size)),
        ("root", report.root),
        ("period (append times)", str(report.period)),
        ("auditor", report.auditor),
        ("code", report.code),
        ("issued", f"{report.issued_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("SHA-256 of the signed report", digest),
    ):
        _row(table, name, value)
    _text(
        body,
        "p",
        "This page is no proof: the signed report is, and dpp audit report --check FILE checks it.",
    )


def _overview(body: Element, report: AuditReport) -> None:
    _text(body, "h2", "Audits")
    table = _table(body, "Outcome of each audit", ("audit", "outcome", "why not done"))
    for one in report.sections:
        row = SubElement(table, "tr")
        _text(row, "td", one.name)
        _text(row, "td", _WORDS[one.outcome], "differs" if one.outcome == "differs" else None)
        _text(row, "td", one.reason or "")


def _section(body: Element, section: Section) -> None:
    _text(body, "h2", section.name)
    if section.figures:
        table = _table(body, f"Counts of {section.name}", ("what", "count"))
        for name, count in section.figures.items():
            row = SubElement(table, "tr")
            _text(row, "td", name)
            _text(row, "td", str(count), "number")
    if section.details:
        table = _table(body, f"Details of {section.name}", ("what", "value"))
        for name, value in section.details.items():
            _row(table, name, value)
    if section.findings:
        listed = SubElement(body, "ul")
        for finding in section.findings:
            _text(listed, "li", finding)


def _table(parent: Element, caption: str, columns: tuple[str, ...]) -> Element:
    table = SubElement(parent, "table")
    _text(table, "caption", caption)
    row = SubElement(SubElement(table, "thead"), "tr")
    for column in columns:
        SubElement(row, "th", scope="col").text = column
    return SubElement(table, "tbody")


def _row(table: Element, name: str, value: str) -> None:
    row = SubElement(table, "tr")
    SubElement(row, "th", scope="row").text = name
    _text(row, "td", value)


def _text(parent: Element, tag: str, text: str, style: str | None = None) -> None:
    made = SubElement(parent, tag)
    made.text = text
    if style is not None:
        made.set("class", style)
