"""Writes the OpenAPI document: `python -m consumers.api.openapi docs/api/openapi.json`."""

import sys
from pathlib import Path

from consumers.api.app import document_bytes


def main(path: Path) -> None:
    """Writes the document to `path`."""
    path.write_bytes(document_bytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
