"""The `dpp` command: every part of the backbone, run or asked from a terminal."""

import typer

from consumers.cli import (
    audit_diff,
    audit_follow,
    audit_log,
    audit_replay,
    audit_report,
    bench,
    catalogue,
    config,
    conform,
    demo,
    erasure,
    infra_commands,
    keys,
    log_key,
    office,
    policy,
    projections,
    quality,
    recorded,
    rederive,
    registrations,
    run,
    schemas,
    simulate,
    surveillance,
    up,
    witness,
)
from infra.observability import logs

app = typer.Typer(
    name="dpp",
    help="Belgium's Shared Pharmaceutical Record: publish, check, read, prove.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
)
app.add_typer(schemas.app, name="schemas")
app.add_typer(infra_commands.topics_app, name="topics")
app.add_typer(infra_commands.db_app, name="db")
app.add_typer(office.app, name="office")
app.add_typer(keys.app, name="keys")
app.add_typer(erasure.app, name="erasure")
app.add_typer(policy.app, name="policy")
app.command("keygen")(office.keygen)
app.add_typer(config.app, name="config")
app.add_typer(catalogue.app, name="catalogue")
app.add_typer(audit_log.app, name="log")
app.add_typer(audit_log.audit_app, name="audit")
audit_log.app.command("rotate-key")(log_key.rotate_key)
audit_log.app.command("retire-key")(log_key.retire_key)
app.add_typer(witness.app, name="witness")
audit_log.audit_app.command("rederive")(rederive.rederive)
audit_log.audit_app.command("reader")(recorded.reader)
audit_log.audit_app.command("compare")(audit_follow.compare)
audit_log.audit_app.command("follow")(audit_follow.follow)
audit_log.audit_app.command("replay")(audit_replay.replay)
audit_log.audit_app.command("diff")(audit_diff.diff)
audit_log.audit_app.command("report")(audit_report.report)
app.add_typer(quality.app, name="quality")
app.add_typer(registrations.app, name="registrations")
app.command("surveillance")(surveillance.surveillance_command)
app.add_typer(bench.app, name="bench")
app.add_typer(projections.app, name="projections")
app.command("run")(run.run)
app.command("up")(up.up)
app.command("simulate")(simulate.simulate_command)
app.command("demo")(demo.demo)
app.command("conform")(conform.conform)


def main() -> None:
    """The console script's entry point; what is logged never stands among what is printed."""
    logs.configure()
    app()


if __name__ == "__main__":
    main()
