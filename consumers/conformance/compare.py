"""Expected against observed, of one receipt; and whether its pointers lead into what was sent."""

import json
from collections.abc import Iterable, Iterator, Sequence

from consumers.conformance.case import Answer, Finding, Line
from schemas.receipts import GapClosed, GapNoticed, Issue, LineOutcome, Receipt

Notice = GapNoticed | GapClosed


def differences(expected: Answer, receipt: Receipt, body: bytes) -> list[str]:
    """What a receipt says otherwise than it must, one sentence each."""
    found = [
        f"{what}: expected {_shown(wanted)}, observed {_shown(seen)}"
        for what, wanted, seen in _aspects(expected, receipt)
        if wanted != seen
    ]
    return found + [f"{path} leads nowhere in the body as sent" for path in _lost(receipt, body)]


def findings(issues: Iterable[Issue]) -> tuple[Finding, ...]:
    """Codes and pointers, in the order of the receipt."""
    return tuple((issue.code, issue.path) for issue in issues)


def notice(one: Notice) -> str:
    """A notice of missing numbers, as a case writes it down."""
    if isinstance(one, GapClosed):
        return f"closed {one.number}"
    return f"noticed {one.first}-{one.last}"


def as_object(answer: Answer | Receipt) -> dict[str, object]:
    """What is compared of an answer, for a program."""
    about = answer.findings if isinstance(answer, Answer) else findings(answer.issues)
    return {
        "outcome": answer.outcome,
        "dead_letter": answer.dead_letter,
        "issues": _issues(about),
        "lines": [_line(line) for line in answer.lines],
    }


def _line(line: Line | LineOutcome) -> dict[str, object]:
    found = line.findings if isinstance(line, Line) else findings(line.issues)
    told = {"outcome": line.outcome, "version": line.version, "issues": _issues(found)}
    return {name: value for name, value in told.items() if value is not None}


def _issues(found: Sequence[Finding]) -> list[dict[str, str]]:
    return [{"code": code, "path": path} for code, path in found]


def _aspects(expected: Answer, receipt: Receipt) -> Iterator[tuple[str, object, object]]:
    yield "outcome", expected.outcome, receipt.outcome
    yield "dead letter", expected.dead_letter, receipt.dead_letter
    yield "findings about the message", expected.findings, findings(receipt.issues)
    yield (
        "outcomes of the lines",
        [line.outcome for line in expected.lines],
        [line.outcome for line in receipt.lines],
    )
    for place, (wanted, seen) in enumerate(zip(expected.lines, receipt.lines, strict=False)):
        yield f"findings about line {place}", wanted.findings, findings(seen.issues)
        if wanted.version is not None:
            yield f"version of line {place}", wanted.version, seen.version


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"{code} at {path or 'the whole'}" for code, path in value) or "none"
    return str(value)


def _lost(receipt: Receipt, body: bytes) -> list[str]:
    """Pointers of a receipt whose parent is not in the body; the member itself may be missing."""
    paths = [issue.path for issue in receipt.issues]
    paths += [path for line in receipt.lines for path in (line.path, *_paths(line))]
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return [path for path in paths if path]
    return [path for path in dict.fromkeys(paths) if path and not _leads(document, path)]


def _paths(line: LineOutcome) -> list[str]:
    return [issue.path for issue in line.issues]


def _leads(document: object, path: str) -> bool:
    *parents, last = [
        part.replace("~1", "/").replace("~0", "~") for part in path.removeprefix("/").split("/")
    ]
    for part in parents:
        if isinstance(document, list) and part.isdigit() and int(part) < len(document):
            document = document[int(part)]
        elif isinstance(document, dict) and part in document:
            document = document[part]
        else:
            return False
    if isinstance(document, list):
        return last.isdigit() and int(last) < len(document)
    return isinstance(document, dict)
