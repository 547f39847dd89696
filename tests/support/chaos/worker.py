"""A stage in a process of its own, to be hurt by the fault suite.

`python -m tests.support.chaos.worker STAGE`, settings in the environment. STAGE is `quality`, as it
runs in production, `projections:TOPIC` for those of the facts in a topic, or the name of a stage of
`tests.support.engine_stage`.
"""

import argparse
import asyncio
import faulthandler
import logging
import signal
import sys
from typing import TYPE_CHECKING, Final

from tests.support.chaos.clock import set_wrong_by

if TYPE_CHECKING:
    from infra.settings import Settings

SESSION_MS = 3_000
HEARTBEAT_MS = 500
POLL_RECORDS = 50
PROJECTIONS: Final = "projections:"
"""Before the topic, as the name of a stage."""
NO_SERVER = 69
"""Exit code without a broker or a vault at the start (EX_UNAVAILABLE of sysexits)."""


async def _run(name: str) -> None:
    from infra.settings import load_settings  # noqa: PLC0415 - the clock is set first
    from streams.engine import transport  # noqa: PLC0415 - the clock is set first

    # As quick as the broker lets a dead member go, and small batches: more to get in between.
    transport.SESSION_TIMEOUT_MS = SESSION_MS
    transport.HEARTBEAT_MS = HEARTBEAT_MS
    transport.MAX_POLL_RECORDS = POLL_RECORDS
    settings, stop = load_settings(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    if name == "quality":
        from consumers.cli.parts import run_quality  # noqa: PLC0415 - the small stage does without

        await run_quality(settings, stop)
    elif name.startswith(PROJECTIONS):
        await _project(settings, stop, name.removeprefix(PROJECTIONS))
    else:
        from streams.engine.app import run_stage  # noqa: PLC0415 - the clock is set first
        from tests.support.engine_stage import CountingStage  # noqa: PLC0415 - the same

        await run_stage(settings, CountingStage(name), stop=stop)


async def _project(settings: "Settings", stop: asyncio.Event, topic: str) -> None:
    from infra.keys.opening import opened_vault  # noqa: PLC0415 - the other stages do without
    from projections import follower, leases  # noqa: PLC0415 - the same
    from projections.health import ProjectionHealth  # noqa: PLC0415 - the same
    from projections.runner import run_projections  # noqa: PLC0415 - the same
    from projections.shells import History, ProductRecall  # noqa: PLC0415 - the same

    # A frozen runner's session ends soon, and small batches: more to get in between.
    setattr(leases, "IDLE_SECONDS", SESSION_MS // 1000)  # noqa: B010 - a constant elsewhere
    setattr(follower, "BATCH_RECORDS", POLL_RECORDS)  # noqa: B010 - the same
    health = ProjectionHealth()

    async def tell() -> None:
        for name in ("history", "product_recall"):
            await health.until(name, "running")
        logging.getLogger(__name__).info("projections restored their place")

    async with opened_vault(settings, maximum=2) as vault:
        telling = asyncio.create_task(tell())
        projections = (History(vault, topic), ProductRecall(vault, topic))
        await run_projections(settings, stop=stop, health=health, projections=projections)
        telling.cancel()


def main() -> int:
    """Runs until told to stop; the exit code tells a fatal error."""
    parser = argparse.ArgumentParser()
    parser.add_argument("stage")
    parser.add_argument("--clock", type=float, default=0.0)
    parser.add_argument("--point")
    parser.add_argument("--passage", type=int, default=1)
    parser.add_argument("--armed", action="store_true")
    given = parser.parse_args()
    if given.clock:
        set_wrong_by(given.clock)
    faulthandler.enable()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")

    from infra.errors import InfrastructureError  # noqa: PLC0415 - the clock is set first
    from streams.engine.failure import FatalStageError  # noqa: PLC0415 - the clock is set first
    from tests.support.chaos.points import POINTS, PROJECTION_POINTS, die_at  # noqa: PLC0415 - the clock is set first

    if given.point is not None:
        die_at({**POINTS, **PROJECTION_POINTS}[given.point], given.passage, armed=given.armed)
    try:
        asyncio.run(_run(given.stage))
    except FatalStageError as error:
        logging.getLogger(__name__).warning("ended: %s", error)
        return error.exit_code
    except InfrastructureError as error:
        logging.getLogger(__name__).warning("did not start: %s", error)
        return NO_SERVER
    return 0


if __name__ == "__main__":
    sys.exit(main())
