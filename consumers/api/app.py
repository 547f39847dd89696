"""The API as one FastAPI app, built from ports; nothing here knows Kafka or Postgres."""

import json
from functools import cache
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from consumers.api.faces import install
from consumers.api.limits import Door
from consumers.api.ports import Dependencies
from consumers.api.problems import ProblemDocument
from consumers.api.routes import (
    accesslog,
    authorities,
    fhir,
    history,
    operations,
    publishers,
    quality,
    recalls,
    registrations,
    surveillance,
    transparency,
)
from schemas.keyvault import VaultUnavailable

TITLE: Final = "Shared Pharmaceutical Record: read and registration API"
VERSION: Final = "1.0.0"
_DESCRIPTION: Final = (
    "Histories, access logs and registrations of the Belgian Shared Pharmaceutical Record. Every "
    "read is decided and recorded before it is answered. Searches are POST: no identifier of a "
    "person is ever part of an address. Refusals are problem documents (RFC 9457)."
)


def create_app(deps: Dependencies) -> FastAPI:
    """The app over these ports; documents are served under `/docs` only if settings ask for it."""
    app = FastAPI(
        title=TITLE,
        version=VERSION,
        description=_DESCRIPTION,
        docs_url="/docs" if deps.settings.docs else None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,
    )
    app.state.deps = deps
    _include(app)
    if deps.dev_issuer is not None:
        app.include_router(operations.dev_router)
    install(app, (VaultUnavailable, *deps.unavailable_errors))
    app.add_middleware(Door)
    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way
    return app


def _include(app: FastAPI) -> None:
    for module in (
        history,
        accesslog,
        registrations,
        publishers,
        quality,
        surveillance,
        fhir,
        authorities,
        recalls,
        transparency,
        operations,
    ):
        app.include_router(module.router)


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document: the same for every installation."""
    app = FastAPI()
    _include(app)
    found = get_openapi(title=TITLE, version=VERSION, description=_DESCRIPTION, routes=app.routes)
    components = found.setdefault("components", {}).setdefault("schemas", {})
    components |= _problem_schemas()
    _without_default_validation(found, components)
    return found


def document_bytes() -> bytes:
    """The document as it is committed in `docs/api/openapi.json`."""
    return json.dumps(document(), indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def _problem_schemas() -> dict[str, Any]:
    schema = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs", {}), ProblemDocument.__name__: schema}


def _without_default_validation(found: dict[str, Any], components: dict[str, Any]) -> None:
    """Malformed bodies are 400 here; FastAPI would promise its own 422."""
    for path in found["paths"].values():
        for operation in path.values():
            content = operation["responses"].get("422", {}).get("content", {})
            if "application/json" in content:
                del operation["responses"]["422"]
    components.pop("HTTPValidationError", None)
    components.pop("ValidationError", None)
