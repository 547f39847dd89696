"""Projections are built from a log's files alone and compared with rows that somebody rewrote."""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, LiteralString, NamedTuple

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from consumers.audit import summary
from consumers.audit.cuts import EVERYTHING, Cut
from consumers.audit.replay import ERASED_TABLE, LOG, Asked, replay
from consumers.audit.replayed import Replay, Replayed
from consumers.cli.main import app
from infra.keys.memory import MemoryVault
from infra.migrations import migrate
from infra.postgres import Connection, connect
from infra.settings import Settings
from projections.erasure import erase
from projections.folds import access_state
from projections.folds.access_state import Recorded
from projections.folds.changes import Close
from projections.runner import migrations
from projections.shells import Projection, registered
from projections.verify import LIVE
from projections.versions import versions
from schemas import subject, topics
from schemas.dispensation import Supersedes
from schemas.envelope import from_millis
from streams.intake.keys import SigningKey
from streams.notary.directory import LogDirectory
from streams.notary.notes import Checkpoint
from tests.integration.projections_world import NOON, Facts, Output, subject_of
from tests.integration.test_projections_others import COMMON, HOLDER, decision
from tests.support.audit_log import LOG as LOG_KEY
from tests.support.replay_log import Broker

pytestmark = pytest.mark.integration

ANN, BOB = subject_of("ann"), subject_of("bob")
FACTS: Final = "dpp.dispensation.recorded"
SUBJECTS = topics.SUBJECT_REGISTERED.name
ACCESSES = topics.ACCESS_AUDITED.name
FORMER = Supersedes(version=1, month="2026-03", subject=ANN)
HISTORY: LiteralString = "history_v1.dispensation"
CONSENT: LiteralString = "access_state_v1.consent"


PAGE: Final = Path(__file__).parents[2] / "docs" / "auditing" / "tampering.md"
COMPARED = ("history", "access_state", "access_log")


_CLOSE: Final = access_state._close


@dataclass(slots=True)
class Ground:
    """A database, a vault, and what was appended so far."""

    settings: Settings
    connection: Connection
    vault: MemoryVault
    facts: Facts
    broker: Broker
    folder: Path

    def fact(self, model: type[subject.SubjectFact], **members: object) -> Output:
        fact = model.model_validate({**COMMON, **members})
        return self.facts.output(subject.SUBJECT_FACT_TYPES[model], fact)

    async def projected(self) -> None:
        for one in registered(self.vault):
            await self.broker.project(self.settings, one)

    async def replayed(
        self,
        *names: str,
        cut: Cut = EVERYTHING,
        keep: bool = False,
        checkpoint: Checkpoint | None = None,
    ) -> Replay:
        wanted: Sequence[Projection] = [
            one for one in registered(self.vault) if not names or one.name in names
        ]
        read = LogDirectory(self.folder).read
        seen = checkpoint or self.broker.log(self.folder)
        return await replay(self.settings, read, seen, wanted, asked=Asked(cut, keep))

    async def one(self, name: str, cut: Cut = EVERYTHING) -> Replayed:
        (found,) = (await self.replayed(name, cut=cut)).replayed
        return found


@pytest.fixture
async def ground(settings: Settings, fresh_database: str, tmp_path: Path) -> AsyncIterator[Ground]:
    own = settings.model_copy(update={"postgres_dsn": SecretStr(fresh_database)})
    await migrate([migrations(own)])
    vault = MemoryVault()
    async with connect(fresh_database, autocommit=True) as connection:
        yield Ground(own, connection, vault, Facts(vault), Broker(), tmp_path / "log")


async def filled(ground: Ground) -> None:
    """Lines of two persons, a correction, a revocation, a consent, a mandate and accesses."""
    facts, broker = ground.facts, ground.broker
    lines = [await facts.registered(f"line {one}", batch="lot") for one in range(4)]
    lines.append(await facts.registered("other", "bob", partition=1))
    lines.append(await facts.corrected("line 1", 2, "ann", NOON, FORMER))
    lines.append(await facts.revoked("line 2", 2, "ann", FORMER))
    broker.append(FACTS, *lines)
    broker.append(
        SUBJECTS,
        ground.fact(subject.ConsentGiven),
        ground.fact(subject.ConsentGiven, subject=BOB, author=BOB),
        ground.fact(
            subject.MandateGranted,
            mandate="mandate-one",
            holder=HOLDER,
            holder_kind="citizen",
            mandate_type="prescription",
        ),
        ground.fact(subject.MandateAccepted, mandate="mandate-one", author=HOLDER),
    )
    broker.append(ACCESSES, decision(1), decision(2), decision(3))
    await ground.projected()


DOUBLED: LiteralString = (
    f'INSERT INTO {CONSENT} SELECT (jsonb_populate_record(c, \'{{"id": "planted"}}\')).*'
    f" FROM {CONSENT} AS c WHERE subject = '{ANN}'"
)
PLANTED: LiteralString = (
    "INSERT INTO access_log_v1.decision SELECT (jsonb_populate_record(d,"
    ' \'{"ce_id": "planted", "recorded_position": 900}\')).*'
    " FROM access_log_v1.decision AS d WHERE ce_id = 'decision-1'"
)
ENDED: LiteralString = (
    f"UPDATE {CONSENT} SET superseded_position = 900, superseded_at = now()"
    f" WHERE subject = '{ANN}' AND id <> 'planted'"
)
SET_ASIDE: LiteralString = (
    "INSERT INTO projection_set_aside (projection, version, topic, partition, position, category)"
    f" VALUES ('history', 1, '{FACTS}', 0, 6, 'malformed');"
    f" DELETE FROM {HISTORY} WHERE recorded_position = 6"
)
Told = tuple[str | None, str | None, tuple[str, ...]]
"""Subject, side that lacks the row, columns."""


@dataclass(frozen=True)
class Rewriting:
    """What a superuser does, each to a row of its own, and every difference that is told of it."""

    projection: str
    statement: LiteralString
    told: Sequence[Told]


REWRITTEN = {
    "a row updated": Rewriting(
        "history",
        f"UPDATE {HISTORY} SET score = 1 WHERE recorded_position = 0 AND subject = '{ANN}'",
        [(ANN, None, ("score",))],
    ),
    "sealed bytes of a row replaced": Rewriting(
        "history",
        f"UPDATE {HISTORY} SET sealed = decode('00', 'hex') WHERE recorded_position = 2",
        [(ANN, None, ("sealed",))],
    ),
    "a row deleted": Rewriting(
        "history", f"DELETE FROM {HISTORY} WHERE recorded_position = 4", [(ANN, LIVE, ())]
    ),
    "a row deleted, its event marked as set aside": Rewriting(
        "history", SET_ASIDE, [(ANN, LIVE, ())]
    ),
    "a row given to another subject": Rewriting(
        "history",
        f"UPDATE {HISTORY} SET subject = '{BOB}' WHERE recorded_position = 8",
        [(ANN, LIVE, ()), (BOB, LOG, ())],
    ),
    "a row doubled under another key": Rewriting("access_state", DOUBLED, [(ANN, LOG, ())]),
    "a row ended that still stands": Rewriting(
        "access_state", ENDED, [(ANN, None, ("superseded_at", "superseded_position"))]
    ),
    "a row planted behind every position": Rewriting("access_log", PLANTED, [(ANN, LOG, ())]),
    "a live position put back": Rewriting(
        "access_log",
        "UPDATE projection_position SET position = 2 WHERE projection = 'access_log'"
        " AND position = 3",
        [(ANN, LOG, ())],
    ),
    "a table truncated": Rewriting(
        "consumption", "TRUNCATE consumption_v1.line", [(None, LIVE, ())] * 6
    ),
}


async def test_what_the_log_becomes_is_what_is_live_and_whatever_row_is_rewritten_is_named(
    ground: Ground,
) -> None:
    await filled(ground)
    found = await ground.replayed()
    assert (found.holds, found.complete) == (True, True)
    by_name = {one.projection: one for one in found.replayed}
    assert {*by_name} | {*found.left_out} == {one.name for one in registered(ground.vault)}
    assert "not among those that are logged" in found.left_out["recall"]
    assert all(one.content == one.live for one in found.replayed)
    assert by_name["history"].rows == 7
    assert by_name["history"].positions == {0: 12, 1: 2}
    assert not any(one.behind for one in found.replayed)
    before = len(await versions(ground.connection))

    page = PAGE.read_text()
    for what, done in REWRITTEN.items():
        assert f"| {what} |" in page
        await ground.connection.execute(done.statement)
    rewritten = await ground.replayed()
    for one in rewritten.replayed:
        expected = [
            told
            for done in REWRITTEN.values()
            if done.projection == one.projection
            for told in done.told
        ]
        named = [(other.subject, other.missing, other.columns) for other in one.differences]
        assert Counter(named) == Counter(expected), one.projection
        assert (one.differing, one.outcome) == (
            len(expected),
            "differs" if expected else "same",
        )
    assert len(await versions(ground.connection)) == before, "scratch versions were left"
    await ground.connection.execute("DELETE FROM projection_version WHERE projection = 'history'")
    gone = await ground.replayed("history")
    assert (gone.complete, gone.replayed[0].outcome) == (False, "not_replayed")


async def test_live_rows_are_compared_as_they_stood_where_the_log_or_the_cut_ends(
    ground: Ground,
) -> None:
    await filled(ground)
    until = len(ground.broker.records)
    ground.broker.append(SUBJECTS, ground.fact(subject.ConsentWithdrawn))
    ground.broker.append(FACTS, await ground.facts.corrected("line 3", 2, "ann", NOON, FORMER))
    ground.broker.append(ACCESSES, decision(4))
    await ground.projected()

    checkpoint = ground.broker.log(ground.folder, ground.broker.records[:until])
    late = await ground.replayed(*COMPARED, checkpoint=checkpoint)
    assert {one.projection: one.outcome for one in late.replayed if one.differing} == {}
    behind = {one.projection: sum(one.behind.values()) for one in late.replayed}
    assert behind["access_state"] == 3, "the marker before and the record with its own"
    assert behind["access_log"] == 1
    assert {one.projection: one.since for one in late.replayed} == {
        "history": 1,
        "access_state": 0,
        "access_log": 1,
    }

    # A log that has everything, looked at as of an earlier size and an earlier time.
    (ground.folder / "checkpoint").unlink()
    ground.folder.rename(ground.folder.with_name("old"))
    checkpoint = ground.broker.log(ground.folder)
    first_later = ground.broker.records[until]
    for cut in (Cut(size=until), Cut(before=from_millis(first_later.timestamp_ms))):
        earlier = await ground.replayed(*COMPARED, cut=cut, checkpoint=checkpoint)
        assert earlier.holds, str(cut)
        assert {one.outcome for one in earlier.replayed} == {"same"}
        state = next(one for one in earlier.replayed if one.projection == "access_state")
        assert state.positions[0] == first_later.offset
    await ground.connection.execute(
        f"UPDATE {CONSENT} SET author_role = 'registrar' WHERE subject = '{ANN}'"
    )
    changed = await ground.replayed("access_state", cut=Cut(size=until), checkpoint=checkpoint)
    assert changed.replayed[0].differences[0].columns == ("author_role",)


async def test_erased_rows_are_forgotten_by_the_log_alone_and_a_forged_erasure_is_named(
    ground: Ground,
) -> None:
    await filled(ground)
    ground.broker.append(
        SUBJECTS,
        ground.fact(subject.ErasureExecuted, erasure="erasure-one", author_role="privacy_officer"),
    )
    await ground.projected()
    await ground.vault.destroy_subject(ANN, 1, NOON)
    await erase(ground.connection, ANN, 1)
    assert (await ground.replayed()).holds

    await erase(ground.connection, BOB, 1)
    one = await ground.one("access_state")
    assert {(other.table, other.subject) for other in one.differences} == {
        ("consent", BOB),
        (ERASED_TABLE, BOB),
    }


class Ran(NamedTuple):
    """What a command answered."""

    code: int
    said: str
    failed: str


async def dpp(*arguments: str) -> Ran:
    """Runs a command, which has an event loop of its own."""

    def run() -> Ran:
        ran = CliRunner().invoke(app, list(arguments))
        return Ran(ran.exit_code, ran.stdout, ran.stderr)

    return await asyncio.to_thread(run)


async def test_the_command_says_what_it_compared_and_what_not_and_answers_by_its_exit_code(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(ground)
    ground.broker.log(ground.folder)
    monkeypatch.setenv("DPP_POSTGRES_DSN", ground.settings.dsn)
    monkeypatch.delenv("DPP_KAFKA_BOOTSTRAP", raising=False)
    keep = ground.folder.with_name("mine")
    arguments = ["audit", "replay", str(ground.folder), "--vkey", str(LOG_KEY), "--without-keys"]
    ran = await dpp(*arguments, "--json", "--keep", str(keep), "--keep-schema")
    assert ran.code == 0, ran
    told = json.loads(ran.said)
    assert {one["projection"]: one["outcome"] for one in told["projections"]} == {
        "access_state": "same",
        "access_log": "same",
        "erasures": "same",
        "quality": "same",
        "surveillance": "same",
    }
    assert {*told["left_out"]} == {"history", "product_recall", "consumption", "recall"}
    assert (keep / "memory.json").exists()
    kept = next(one for one in told["projections"] if one["projection"] == "access_state")
    rows = await (
        await ground.connection.execute(f"SELECT count(*) FROM {kept['schema']}.consent".encode())
    ).fetchone()
    assert rows == (2,)

    await ground.connection.execute(f"DELETE FROM {CONSENT} WHERE subject = '{BOB}'")
    ran = await dpp(*arguments, "--projection", "access_state")
    assert ran.code == 1
    assert f"subject {BOB}" in ran.said
    bundle = next((ground.folder / "tile" / "entries").rglob("*.p/*"))
    data = bytearray(bundle.read_bytes())
    data[100] ^= 1
    bundle.write_bytes(data)
    ran = await dpp(*arguments)
    assert ran.code == 1
    assert "The log does not hold" in ran.failed


async def test_a_report_is_signed_names_what_differs_and_what_was_not_done(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await filled(ground)
    ground.broker.append(
        SUBJECTS,
        ground.fact(subject.ErasureExecuted, erasure="erasure-one", author_role="privacy_officer"),
    )
    await ground.projected()
    ground.broker.log(ground.folder)
    monkeypatch.setenv("DPP_POSTGRES_DSN", ground.settings.dsn)
    monkeypatch.delenv("DPP_KAFKA_BOOTSTRAP", raising=False)
    signed, page, key = tmp_path / "report.txt", tmp_path / "report.html", tmp_path / "mine.key"
    ran = await dpp(
        *("audit", "report", str(ground.folder), "--vkey", str(LOG_KEY), "--json"),
        *("--output", str(signed), "--page", str(page), "--signing-key", str(key)),
        *("--from", "2026-01-01T00:00:00+0000"),
    )
    assert ran.code == 1, ran
    told = json.loads(ran.said)["report"]
    sections = {one["name"]: one for one in told["sections"]}
    outcomes = {name: one["outcome"] for name, one in sections.items()}
    assert outcomes == {
        **dict.fromkeys(("log", "counts", "gaps", "erasures"), "holds"),
        **dict.fromkeys(("replay quality", "replay access_log", "replay erasures"), "holds"),
        "replay surveillance": "holds",
        # The person's registrations are still there, since nobody has carried the erasure out.
        **dict.fromkeys(("rows of the erased", "replay access_state"), "differs"),
        **dict.fromkeys(
            (
                *("cosignatures", "kafka", "replay history", "replay product_recall"),
                *("replay consumption", "replay recall"),
                *("rederive quality", "rederive subject", "rederive access"),
            ),
            "not_done",
        ),
    }
    assert all(one["reason"] for one in sections.values() if one["outcome"] == "not_done")
    assert f"subject {ANN}" in sections["replay access_state"]["findings"][0]
    assert sections["counts"]["figures"]["accesses deny: no_link"] == 3
    assert sections["erasures"]["figures"]["executed"] == 1

    signer = str(summary.signer(told["origin"], SigningKey.load(key).public_bytes))
    ran = await dpp("audit", "report", "--check", str(signed), "--signer", signer, "--json")
    assert ran.code == 0, ran
    assert json.loads(ran.said)["report"] == told
    assert hashlib.sha256(signed.read_bytes()).hexdigest() in page.read_text()
    data = bytearray(signed.read_bytes())
    data[len(data) // 2] ^= 1
    signed.write_bytes(data)
    ran = await dpp("audit", "report", "--check", str(signed), "--signer", signer)
    assert ran.code == 1
    assert "It does not hold" in ran.failed


async def test_a_diff_names_the_event_and_two_exports_the_subjects_that_code_makes_otherwise(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await filled(ground)
    before = len(ground.broker.records)
    ground.broker.append(SUBJECTS, ground.fact(subject.ConsentWithdrawn))
    await ground.projected()
    ground.broker.log(ground.folder)
    monkeypatch.setenv("DPP_POSTGRES_DSN", ground.settings.dsn)
    monkeypatch.delenv("DPP_KAFKA_BOOTSTRAP", raising=False)
    log = (str(ground.folder), "--vkey", str(LOG_KEY), "--without-keys")
    ran = await dpp("audit", "diff", *log, "--from", str(before), "--subject", ANN, "--json")
    assert ran.code == 0, ran
    told = json.loads(ran.said)
    (change,) = told["changes"]
    assert change["event"]["type"] == subject.CONSENT_WITHDRAWN
    assert change["event"]["leaf"] == before
    assert (change["table"], change["subject"], change["put"]) == ("consent", ANN, False)
    assert "end_sealed" in change["columns"]
    assert "end_sealed" not in change["after"]
    assert "history" in told["left_out"]
    ran = await dpp("audit", "diff", *log, "--from", str(before))
    assert subject.CONSENT_WITHDRAWN in ran.said

    files = [tmp_path / "one.jsonl", tmp_path / "other.jsonl"]
    only = ("--projection", "access_state")
    both = ("--exports", str(files[0]), "--exports", str(files[1]))
    ran = await dpp("audit", "replay", *log, *only, "--export", str(files[0]))
    assert ran.code == 0, ran
    with monkeypatch.context() as release:
        release.setattr("projections.folds.access_state._close", _closed_otherwise)
        await dpp("audit", "replay", *log, *only, "--export", str(files[1]))
    ran = await dpp("audit", "diff", *both, "--json")
    assert ran.code == 1, ran
    assert json.loads(ran.said)["differ"] == [
        {
            "projection": "access_state",
            "table": "consent",
            "subject": ANN,
            "columns": ["end_author_role"],
            "rows": [1, 1],
        }
    ]
    ran = await dpp("audit", "diff", "--exports", str(files[0]), "--exports", str(files[0]))
    assert ran.code == 0


def _closed_otherwise(
    table: str, fact: subject.SubjectFact, row_id: str | None, recorded: Recorded
) -> Close:
    """A release that fills a column in another way."""
    made = _CLOSE(table, fact, row_id, recorded)
    return replace(made, values={**made.values, "end_author_role": "another"})
