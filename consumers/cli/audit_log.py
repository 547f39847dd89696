"""`dpp audit verify|prove|check` and `dpp log vkey`: the log, checked from outside."""

from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Annotated

import typer

from consumers.audit import prove as proving
from consumers.audit.kept import Kept, MemoryDamaged
from consumers.audit.remote import opened
from consumers.audit.verify import Memory, Verification
from consumers.audit.verify import verify as verify_log
from consumers.cli.infra_commands import Json
from consumers.cli.output import Exit, console, fail, one_sentence, print_json
from consumers.cli.progress import shown
from consumers.cli.recorded import Auditor, Recorder, opened_recorded
from consumers.stack.office import log_signers
from infra.settings import load_settings
from streams.notary import leaf, notes, proofs
from streams.notary.leaf import LeafInvalid
from streams.notary.notes import Checkpoint, NoteInvalid, Verifier
from streams.notary.opening import Demand
from streams.notary.proofs import InclusionProof
from streams.notary.tiles import BundleInvalid
from streams.notary.tree import ProofInvalid

app = typer.Typer(help="The transparency log's public side.", no_args_is_help=True)
audit_app = typer.Typer(help="Audits of the log.", no_args_is_help=True)

_PLACE = typer.Argument(help="The log's folder or its URL.", metavar="LOG")
_VKEY = typer.Option("--vkey", help="The log's key: dpp log vkey prints it.")
Place = Annotated[str, _PLACE]
PlaceIfAny = Annotated[str | None, _PLACE]
Vkey = Annotated[str, _VKEY]
VkeyIfAny = Annotated[str | None, _VKEY]
Witnesses = Annotated[
    list[str] | None, typer.Option("--witness", help="A witness's key; may be repeated.")
]
Needed = Annotated[
    int, typer.Option("--quorum", min=0, help="How many of these witnesses must have cosigned.")
]


@app.callback()
def log() -> None:
    """The transparency log's public side."""


@app.command()
def vkey(as_json: Json = False) -> None:
    """Prints the log's verifier key, which auditors pin; --json also its successor, if any."""
    with one_sentence():
        settings = load_settings()
        keys = [str(notes.verifier(settings.log_origin, key)) for key in log_signers(settings).keys]
    if as_json:
        print_json({"vkey": keys[0], "successor": keys[1] if keys[1:] else None})
    else:
        typer.echo(keys[0])


@audit_app.command()
def verify(  # noqa: PLR0917 - typer passes options by name
    place: Place,
    key: Vkey,
    keep: Annotated[
        Path | None,
        typer.Option(help="Folder of what is remembered: checkpoints seen, how far it was read."),
    ] = None,
    witness: Witnesses = None,
    quorum: Needed = 0,
    auditor: Auditor = None,
    plain: Annotated[bool, typer.Option("--plain", help="No colours, no bars.")] = False,
    as_json: Json = False,
) -> None:
    """Recomputes a log from its bytes; with --keep, against every checkpoint seen before.

    Who reads a folder where a broker is named (DPP_KAFKA_BOOTSTRAP) is recorded there first.

    Exit code 0: it holds; 1: it does not, and the first bad leaf is named; 2: a key or option has
    another form; 3: the log cannot be read.
    """
    known, others = verifier_of(key), [verifier_of(one) for one in witness or ()]
    screen = console(plain=plain)
    kept = None if keep is None else Kept(keep)
    memory = remembered(kept)
    with one_sentence(), ExitStack() as stack, shown(screen, silent=as_json) as told:
        settings = load_settings()
        recorder = Recorder(settings, "verify", auditor, place)
        read = opened_recorded(place, settings, stack, recorder, memory.recount.size)
        found = verify_log(read, known, memory, witnesses=others, needed=quorum, progress=told)
        if kept is not None and found.holds:
            kept.save(memory)
            kept.note(found.note)
    if as_json:
        print_json(_as_json(found))
    elif found.fault is None and found.checkpoint is not None:
        screen.print(f"It holds: {found.checkpoint.size} leaves, {found.since} verified before.")
    elif found.fault is not None:
        screen.print(f"It does not hold ({found.fault.kind}): {found.fault.sentence}")
    raise typer.Exit(Exit.OK if found.holds else Exit.UNEXPECTED)


@audit_app.command()
def prove(  # noqa: PLR0917 - typer passes options by name
    place: Place,
    key: Vkey,
    output: Annotated[Path, typer.Option(help="New file of the proof; the leaf goes beside it.")],
    ce_id: Annotated[str | None, typer.Option("--id", help="The event's id.")] = None,
    at: Annotated[str | None, typer.Option(help="Its place, as TOPIC/PARTITION/OFFSET.")] = None,
    auditor: Auditor = None,
    as_json: Json = False,
) -> None:
    """Makes the proof that a fact, receipt, registration or access decision is in the log.

    Who reads a folder where a broker is named (DPP_KAFKA_BOOTSTRAP) is recorded there first.
    """
    known = verifier_of(key)
    if (ce_id is None) == (at is None):
        fail("Name the record by --id or by --at.", Exit.USAGE)
    matches = proving.by_id(ce_id) if ce_id is not None else _placed(at or "")
    with one_sentence(), ExitStack() as stack:
        settings = load_settings()
        recorder = Recorder(settings, "prove", auditor, place)
        read = opened_recorded(place, settings, stack, recorder)
        try:
            found = proving.prove(read, known, matches)
        except (NoteInvalid, BundleInvalid, LeafInvalid, ProofInvalid) as error:
            fail(f"The log does not hold: {error}. Run dpp audit verify.", Exit.UNEXPECTED)
            raise
        if found is None:
            fail("The log has no such record yet.", Exit.UNEXPECTED)
            raise typer.Exit(Exit.UNEXPECTED)
        output.write_bytes(found.proof)
        beside = output.with_suffix(".leaf")
        beside.write_bytes(found.entry)
    if as_json:
        print_json({"index": found.index, "proof": str(output), "leaf": str(beside)})
    else:
        console().print(f"Leaf {found.index}: {output} proves {beside}.")


@audit_app.command()
def check(  # noqa: PLR0917 - typer passes options by name
    proof: Annotated[Path, typer.Argument(help="The proof's file.", exists=True)],
    entry: Annotated[Path, typer.Argument(help="The leaf's file.", exists=True)],
    key: Vkey,
    witness: Witnesses = None,
    quorum: Needed = 0,
    within: Annotated[
        str | None,
        typer.Option("--log", help="The log's folder or URL, of which the proof must be a part."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Checks a proof with nothing but the log's key, and says what record it is of.

    With --log also that its checkpoint is one of the log's own: for proofs from before a change of
    its key, under whichever of the keys is given.
    """
    demand = Demand(verifier_of(key), [verifier_of(one) for one in witness or ()], quorum)
    try:
        data = entry.read_bytes()
        read = proofs.read(proof.read_bytes())
        checkpoint = _checked(read, data, demand, within)
        record = leaf.decode(data)
    except (ProofInvalid, NoteInvalid, LeafInvalid) as error:
        fail(f"Not proven: {error}.", Exit.UNEXPECTED)
        raise
    told = {
        "index": read.index,
        "size": checkpoint.size,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
    }
    if as_json:
        print_json(told)
    else:
        console().print(
            f"Proven: {record.topic}[{record.partition}]@{record.offset} is leaf {read.index} of "
            f"{checkpoint.size}."
        )


def _checked(proof: InclusionProof, entry: bytes, demand: Demand, within: str | None) -> Checkpoint:
    if within is None:
        return proofs.check(proof, entry, demand.log, demand.witnesses, needed=demand.needed)
    with one_sentence(), ExitStack() as stack:
        read = opened(within, load_settings(), stack)
        return proving.check_within(read, proof, entry, demand)


def verifier_of(text: str) -> Verifier:
    """The key in an option, or the end of the command."""
    try:
        return notes.parse_verifier(text)
    except NoteInvalid as error:
        fail(f"This is no verifier key: {error}.", Exit.USAGE)
        raise


def _placed(text: str) -> proving.Matches:
    topic, _, numbers = text.partition("/")
    with suppress(ValueError):
        partition, offset = (int(number) for number in numbers.split("/"))
        return proving.at_place(topic, partition, offset)
    fail("--at is TOPIC/PARTITION/OFFSET.", Exit.USAGE)
    raise typer.Exit(Exit.USAGE)


def remembered(kept: Kept | None) -> Memory:
    """What was kept, or the end of the command."""
    try:
        return Memory() if kept is None else kept.load()
    except MemoryDamaged as error:
        fail(str(error), Exit.UNEXPECTED)
        raise


def _as_json(found: Verification) -> dict[str, object]:
    fault = found.fault
    return {
        "holds": found.holds,
        "size": found.checkpoint.size if found.checkpoint else None,
        "root": found.checkpoint.root.hex() if found.checkpoint else None,
        "verified_before": found.since,
        "fault": None
        if fault is None
        else {
            "kind": fault.kind,
            "sentence": fault.sentence,
            "leaf": fault.leaf,
            "path": fault.path,
        },
    }
