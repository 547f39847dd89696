"""`dpp policy`: versions of the rules' data, registered by the office and listed by everybody."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic import ValidationError

from consumers.cli.infra_commands import Json
from consumers.cli.output import Exit, console, fail, one_sentence, print_json, table
from consumers.cli.parts import following
from consumers.stack.office import office_signing_key
from infra.catalogue.postgres import PostgresCatalogue
from infra.kafka import producer
from infra.postgres import pool
from infra.settings import Settings, load_settings
from projections.folds.policies import Policies, refusal
from schemas import topics
from schemas.policy import MIN_NOTICE_MINUTES, PolicyVersion, QualityPolicy
from streams.intake.office import policy_record
from streams.quality import codes

app = typer.Typer(help="Versions of the rules' data.", no_args_is_help=True)
_REFUSALS: Final = {
    "too_little_notice": f"it takes effect in less than {MIN_NOTICE_MINUTES} minutes: state a "
    "later valid_from",
    "name_mismatch": "its name, its version and its data are not of one policy",
    "version_used": "its version exists already: give it the next number",
}


@app.command()
def register(
    file: Annotated[Path, typer.Argument(help="A version as JSON.", exists=True)],
    as_json: Json = False,
) -> None:
    """Registers a version, which takes effect at the time that it states.

    Nothing is registered that would have no effect or stop a stage: unknown codes, severities that
    are not policy's to set, a catalogue that is not loaded, less than ten minutes' notice.
    """
    version = _read(file)
    with one_sentence():
        place = asyncio.run(_register(load_settings(), version))
    if as_json:
        print_json({"registered": version.version, "valid_from": version.valid_from, **place})
    else:
        console().print(
            f"{version.version} takes effect at {version.valid_from:%Y-%m-%d %H:%M} UTC."
        )


@app.command("list")
def list_versions(as_json: Json = False) -> None:
    """Lists every version, those that ship with the code too, and which ones are in force."""
    now = datetime.now(UTC)
    with one_sentence():
        policies = asyncio.run(_policies(load_settings()))
    rows = [_row(policies, version, now) for version in _all(policies)]
    if as_json:
        print_json({"policies": rows})
    else:
        columns = ("policy", "version", "valid from", "in force")
        shown = [
            tuple("yes" if value is True else value or "" for value in row.values()) for row in rows
        ]
        console().print(table("versions of policies", columns, shown))


@app.command()
def show(version: Annotated[str, typer.Argument(help="As in quality/2.")]) -> None:
    """Prints one version as JSON: the form that `register` takes."""
    with one_sentence():
        policies = asyncio.run(_policies(load_settings()))
    found = [one for one in _all(policies) if one.version == version]
    if not found:
        fail(f"There is no version {version}: dpp policy list shows them all.", Exit.USAGE)
    print_json(json.loads(found[0].write()))


def _read(file: Path) -> PolicyVersion:
    try:
        version = PolicyVersion.model_validate_json(file.read_bytes())
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        place = "/".join(str(part) for part in fault["loc"])
        fail(f"{file} is no version of a policy: {fault['msg']} at /{place}.", Exit.USAGE)
        raise
    if isinstance(version.data, QualityPolicy):
        for fault_text in codes.policy_faults(version.data):
            fail(fault_text, Exit.USAGE)
    return version


async def _register(settings: Settings, version: PolicyVersion) -> dict[str, object]:
    office = office_signing_key(settings)
    await _require_catalogue(settings, version)
    async with following(settings) as tables, producer(settings) as sender:
        now = datetime.now(UTC)
        _require_accepted(refusal(tables.policies, version, now), version)
        record = policy_record(office, version, now)
        ack = await sender.send(
            topics.POLICY_REGISTERED.name, record.value, key=record.key, headers=record.headers
        )
        await tables.catch_up()
        # The broker's clock decides, and the office's key must be the one that is trusted.
        if version not in tables.policies.versions[version.name]:
            fail(f"{version.version} was appended, and no reader trusts it: register it again.")
    return {"partition": ack.partition, "offset": ack.offset}


async def _require_catalogue(settings: Settings, version: PolicyVersion) -> None:
    named = version.data.catalogue if isinstance(version.data, QualityPolicy) else None
    if named is None:
        return
    async with pool(settings.dsn, maximum=1) as connections:
        if not await PostgresCatalogue(connections).exists(named):
            fail(
                f"The catalogue {named} is not loaded: run dpp catalogue load first, for the "
                "quality stage would wait for it."
            )


def _require_accepted(reason: str | None, version: PolicyVersion) -> None:
    if reason is not None:
        fail(f"{version.version} would be passed over: {_REFUSALS[reason]}.", Exit.USAGE)


async def _policies(settings: Settings) -> Policies:
    async with following(settings) as tables:
        return tables.policies


def _all(policies: Policies) -> list[PolicyVersion]:
    return [version for versions in policies.versions.values() for version in versions]


def _row(policies: Policies, version: PolicyVersion, now: datetime) -> dict[str, object]:
    return {
        "policy": version.name,
        "version": version.version,
        "valid_from": version.valid_from.isoformat(),
        "in_force": policies.at(version.name, now) == version,
    }
