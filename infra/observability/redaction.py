"""The last gate of every log line: no identifier of a person, no secret, no content passes it.

Code does not log such things in the first place; this processor is for the day when some does.
"""

import re
from collections.abc import Mapping, MutableMapping
from typing import Final

MASK: Final = "[redacted]"
_FORBIDDEN: Final = re.compile(
    r"(niss|insz|ssin|patient|secret|password|token|authorization|cookie|sealed|plaintext|body"
    r"|payload|private|nihdi|prescriber|cnk|dsn)",
    re.IGNORECASE,
)
_NISS: Final = re.compile(
    r"(?<![0-9A-Fa-f-])\d{2}[.\s]?\d{2}[.\s]?\d{2}[-\s]?\d{3}[.\s]?\d{2}(?![0-9A-Fa-f-])"
)
_JWT: Final = re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*")
_DSN_PASSWORD: Final = re.compile(r"(\w+://[^:/@\s]*):[^@\s]+@")


def redact(
    _logger: object, _method: str, event: MutableMapping[str, object]
) -> MutableMapping[str, object]:
    """A structlog processor that masks forbidden names and whatever looks like an identifier."""
    return {
        name: MASK if _FORBIDDEN.search(name) else clean(value) for name, value in event.items()
    }


def clean(value: object) -> object:
    """`value` with identifiers, tokens and passwords masked, however deep they lie."""
    if isinstance(value, str):
        text = _DSN_PASSWORD.sub(rf"\1:{MASK}@", value)
        return _JWT.sub(MASK, _NISS.sub(MASK, text))
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes]"
    if isinstance(value, Mapping):
        return {
            str(name): MASK if _FORBIDDEN.search(str(name)) else clean(item)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [clean(item) for item in value]
    return value
