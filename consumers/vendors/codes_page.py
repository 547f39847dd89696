"""The catalogue of codes, for programs as rows and for people as `docs/quality-codes.md`."""

from collections.abc import Iterable

from streams.quality.codes import CODES, Code

_HEAD = """\
# Codes of quality control

<!-- Written by `dpp quality rules --markdown`; a test compares. -->

Every code that a receipt of a dispensation may hold. A `reject` refuses the line or, with scope
`message`, the whole submission; a `warn` is recorded and lowers the line's score. FUNCTIONAL means
that the pharmacy must act, TECHNICAL that the same may be sent again. The path is an RFC 6901
pointer into the body as submitted: `{i}` is the index of a line, `{j}` of an ingredient; an empty
one is the whole message. Severities marked * may be set by policy data, and a receipt says which
one held. `dpp quality rules --json` gives the same to a program.
"""


def row(code: Code) -> dict[str, object]:
    """One code, as `dpp quality rules --json` lists it; `scope` is where it usually occurs."""
    return {
        "code": code.code,
        "severity": code.severity,
        "scope": code.scopes[0],
        "class": code.fault_class,
        "path": code.path,
        "hint": code.hint,
        "source": code.source,
        "since": code.since,
        "texts": code.texts._asdict(),
    }


def page() -> str:
    """The whole page: a table of all codes, then each with its texts."""
    table = "\n".join(_summary(code) for code in CODES.values())
    sections = "\n".join(_section(code) for code in CODES.values())
    head = "| code | severity | scope | class | path |\n|---|---|---|---|---|"
    return f"{_HEAD}\n{head}\n{table}\n\n{sections}"


def _summary(code: Code) -> str:
    cells = (
        f"[{code.code}](#{code.code.lower()})",
        code.severity + (" *" if code.adjustable else ""),
        ", ".join(code.scopes),
        code.fault_class,
        _quoted(code.path),
    )
    return _cells(cells)


def _section(code: Code) -> str:
    texts = "\n".join(f"- {language}: {text}" for language, text in code.texts._asdict().items())
    about = f"What to do: {code.hint}\n\nSource: {code.source}. Since {code.since}."
    return f"## {code.code}\n\n{texts}\n\n{about}\n"


def _quoted(path: str) -> str:
    return f"`{path}`" if path else ""


def _cells(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
