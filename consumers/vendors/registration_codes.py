"""Codes of registrations: rows for programs, and the page `docs/registration-codes.md`."""

from streams.subject.codes import CODES, Code

_HEAD = """\
# Codes of registrations

<!-- Written by `dpp registrations rules --markdown`; a test compares. -->

Every code that a receipt of a registration may hold, and that `POST /v1/registrations` answers with
a 422. All of them refuse: half a consent is none. FUNCTIONAL means that the author must act,
TECHNICAL that the same may be sent again. A code never changes its meaning.
`dpp registrations rules --json` gives the same to a program.
"""


def row(code: Code) -> dict[str, object]:
    """One code, as `dpp registrations rules --json` lists it."""
    return {
        "code": code.code,
        "severity": code.severity,
        "class": code.fault_class,
        "hint": code.hint,
        "source": code.source,
        "texts": code.texts._asdict(),
    }


def page() -> str:
    """The whole page: a table of all codes, then each with its texts."""
    table = "\n".join(_summary(code) for code in CODES.values())
    sections = "\n".join(_section(code) for code in CODES.values())
    return f"{_HEAD}\n| code | class | what to do |\n|---|---|---|\n{table}\n\n{sections}"


def _summary(code: Code) -> str:
    return f"| [{code.code}](#{code.code.lower()}) | {code.fault_class} | {code.hint} |"


def _section(code: Code) -> str:
    texts = "\n".join(f"- {language}: {text}" for language, text in code.texts._asdict().items())
    return f"## {code.code}\n\n{texts}\n\nWhat to do: {code.hint}\n\nSource: {code.source}.\n"
