"""`dpp conform`: the conformance kit, run on a given backbone."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from consumers.cli.infra_commands import Json
from consumers.cli.output import Exit, console, fail, one_sentence, print_json, table
from consumers.cli.progress import shown
from consumers.cli.simulate import Plain
from consumers.conformance import connect, enrolment, page
from consumers.conformance.case import Case
from consumers.conformance.cases import CASES
from consumers.conformance.compare import as_object
from consumers.conformance.run import Result
from consumers.progress import Progress
from consumers.vendors.testers import ENROLLED, LAPSED_PHARMACY
from infra.observability import logs
from infra.settings import load_settings


def conform(  # noqa: PLR0917 - typer passes options by name
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[CASE]...", help="All, if none is named.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder in which dpp up runs; enrols there.")
    ] = None,
    api: Annotated[
        str | None, typer.Option(help="Address of a backbone's API; with --keys.")
    ] = None,
    keys: Annotated[
        Path | None, typer.Option(help="Folder of the test publishers' keys (see --prepare).")
    ] = None,
    kafka: Annotated[
        bool, typer.Option("--kafka", help="With --api: publish straight to DPP_KAFKA_BOOTSTRAP.")
    ] = False,
    prepare: Annotated[
        bool, typer.Option("--prepare", help="Make keys in --keys, and say what the office does.")
    ] = False,
    listed: Annotated[bool, typer.Option("--list", help="List the cases, run nothing.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="With --list: as a page.")] = False,
    plain: Plain = False,
    as_json: Json = False,
) -> None:
    """Publishes inputs that are guaranteed to give each code, and checks every receipt.

    Give --data for a development backbone, or --api and --keys for one whose office has enrolled
    the test publishers (DPP_OFFICE_PUBLIC_KEY is its public key). Answers 1 if a case fails.
    """
    cases = _named(names or [])
    if listed:
        _list(cases, markdown=markdown, as_json=as_json)
        return
    with one_sentence():
        if prepare:
            _prepare(keys)
            return
        logs.configure("console", part="conform")
        screen = console(plain=plain)
        try:
            with shown(screen, silent=as_json) as progress:
                results = asyncio.run(_run(data, api, keys, cases, progress, kafka=kafka))
        except ValueError as error:
            fail(str(error), Exit.USAGE)
    if as_json:
        print_json(_as_object(results))
    else:
        _show(screen, results)
    failed = any(one.verdict == "failed" for one in results)
    raise typer.Exit(Exit.UNEXPECTED if failed else Exit.OK)


def _named(names: Sequence[str]) -> list[Case]:
    unknown = [name for name in names if name not in CASES]
    if unknown:
        fail(f"There is no case {unknown[0]}: dpp conform --list shows them all.", Exit.USAGE)
    return [CASES[name] for name in names] or list(CASES.values())


def _list(cases: Sequence[Case], *, markdown: bool, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(page.data(cases))
    elif markdown:
        sys.stdout.write(page.page(cases))
    else:
        rows = [(case.name, ", ".join(case.codes), case.about) for case in cases]
        console().print(table("cases of the conformance kit", ("case", "codes", "what"), rows))


def _prepare(keys: Path | None) -> None:
    if keys is None:
        fail("Say with --keys in which folder the keys belong.", Exit.USAGE)
        return
    enrolment.prepare(keys)
    screen = console()
    screen.print(f"Keys and requests are in {keys}. The office enrols the test publishers:\n")
    for number in ENROLLED:
        screen.print(f"  dpp office enrol {number} {enrolment.request_path(keys, number)}")
    ended = f'dpp office end-contract {LAPSED_PHARMACY} --reason "conformance kit"'
    screen.print(f"  {ended}\n\nThen: dpp conform --api ADDRESS --keys {keys}")


async def _run(
    data: Path | None,
    api: str | None,
    keys: Path | None,
    cases: Sequence[Case],
    progress: Progress,
    *,
    kafka: bool,
) -> list[Result]:
    if data is not None:
        return await connect.in_folder(data, cases, progress)
    if api is None or keys is None:
        fail("Say which backbone: --data FOLDER, or --api ADDRESS and --keys FOLDER.", Exit.USAGE)
        return []
    settings = load_settings()
    if settings.office_public_key is None:
        fail("Set DPP_OFFICE_PUBLIC_KEY to the public key that the office hands out.", Exit.USAGE)
    run = connect.over_kafka if kafka else connect.over_api
    return await run(api, settings, enrolment.load_keys(keys), cases, progress)


def _as_object(results: Sequence[Result]) -> dict[str, object]:
    verdicts = [one.verdict for one in results]
    return {
        "passed": verdicts.count("passed"),
        "failed": verdicts.count("failed"),
        "skipped": verdicts.count("skipped"),
        "cases": [_result(one) for one in results],
    }


def _result(one: Result) -> dict[str, object]:
    observed = one.receipts or (None,) * len(one.case.steps)
    return {
        "case": one.case.name,
        "verdict": one.verdict,
        "codes": list(one.case.codes),
        "differences": list(one.differences),
        "submissions": [
            {
                "expected": as_object(step.answer),
                "observed": None if receipt is None else as_object(receipt),
            }
            for step, receipt in zip(one.case.steps, observed, strict=True)
        ],
    }


def _show(screen: Console, results: Sequence[Result]) -> None:
    colours = {"passed": "green", "failed": "red", "skipped": "yellow"}
    rows = [
        (
            f"[{colours[one.verdict]}]{one.verdict}[/]",
            one.case.name,
            ", ".join(one.case.codes),
            "\n".join(one.differences),
        )
        for one in results
    ]
    screen.print(table("conformance", ("", "case", "codes", "what differs"), rows))
    told = _as_object(results)
    skipped = " (they need Kafka: --data, or --kafka)" if told["skipped"] else ""
    screen.print(
        f"{told['passed']} passed, {told['failed']} failed, {told['skipped']} skipped{skipped}."
    )
