"""Follows a log for ever: every checkpoint is compared with those before, every entry recomputed.

A look costs a checkpoint and a few public tiles. Entries are read as bundles fill up, and what has
not filled up at least every `entries_seconds`, since each reading of entries is itself recorded in
the log. Source: C2SP tlog-tiles, on clients that tail a log.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from prometheus_client import Counter, Gauge

from consumers.audit.kept import Kept
from consumers.audit.verify import Fault, check_growth, note_fault, verify
from streams.notary import reading, tree
from streams.notary.directory import CHECKPOINT, LogFileMissing, LogUnavailable, Read
from streams.notary.notes import Checkpoint, NoteInvalid, Verifier
from streams.notary.opening import Demand, open_log
from streams.notary.tiles import WIDTH

SEEN: Final = Gauge("dpp_audit_seen_leaves", "Leaves under the newest checkpoint seen")
VERIFIED: Final = Gauge("dpp_audit_verified_leaves", "Leaves recomputed from their entries")
LOOKED: Final = Gauge("dpp_audit_looked_timestamp_seconds", "When the log was last seen in order")
UNREACHABLE: Final = Counter("dpp_audit_unreachable", "Looks at which the log did not answer")
ALARM: Final = Gauge("dpp_audit_alarm", "1 once the log was not what it promised", ("kind",))
_log = structlog.get_logger("audit")


@dataclass(frozen=True, slots=True)
class Demands:
    """Whose signatures a checkpoint needs, and how long entries may stay unread (seconds)."""

    log: Verifier
    witnesses: Sequence[Verifier] = ()
    quorum: int = 0
    entries_seconds: float = 60.0

    @property
    def of_log(self) -> Demand:
        """What opening the log takes of it."""
        return Demand(self.log, self.witnesses, self.quorum)


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found; `fault` ends the following."""

    checkpoint: Checkpoint | None
    verified: int
    fault: Fault | None = None
    reached: bool = True


class Following:
    """The log that `read` gives, and what is kept of it.

    Raises:
        MemoryDamaged: what was kept cannot be read.
    """

    def __init__(
        self,
        read: Read,
        demands: Demands,
        kept: Kept,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._demands = demands
        self._kept = kept
        self._clock = clock
        self._memory = kept.load()
        self._entries_read: float | None = None
        self._size = self._memory.recount.size
        self._note = b""

    @property
    def verified(self) -> int:
        """How many leaves were recomputed for good: those of full bundles."""
        return self._memory.recount.size

    def look(self) -> Look:
        """One look at the log; total over everything that a log may answer."""
        note = b""
        try:
            note = self._read(CHECKPOINT)
            opened = open_log(self._read, self._demands.of_log, note, seen=self._memory.handovers)
            note, checkpoint = opened.note, opened.checkpoint
            fault = self._grown(checkpoint) or self._entries(checkpoint)
        except NoteInvalid as error:
            return self._alarm(None, note, note_fault(error))
        except LogFileMissing as error:
            if not note and not self._memory.kept:
                return self._unreached(error)
            return self._alarm(None, note, Fault("missing", str(error)))
        except LogUnavailable as error:
            return self._unreached(error)
        if fault is not None:
            return self._alarm(checkpoint, note, fault)
        self._memory.handovers = opened.handovers
        return self._in_order(checkpoint, note)

    def _grown(self, checkpoint: Checkpoint) -> Fault | None:
        """Whether it continues what was kept, by its public tiles alone."""
        fault = check_growth(checkpoint, self._memory)
        if fault is not None:
            return fault
        # Told apart by the newer tree's own tiles, which also hold what the earlier one needs.
        nodes = reading.nodes(self._read, checkpoint.size)
        for one in self._memory.kept[-1:]:
            if tree.root_of(one.size, nodes) != one.root:
                return Fault(
                    "fork",
                    f"The first {one.size} leaves no longer give the root of the checkpoint that "
                    "was kept.",
                )
        if tree.root_of(checkpoint.size, nodes) != checkpoint.root:
            return Fault("root", "The log's tiles do not give the root of its own checkpoint.")
        return None

    def _entries(self, checkpoint: Checkpoint) -> Fault | None:
        """Recomputes entries once a bundle is full, or it is time to."""
        now = self._clock()
        last = self._entries_read
        due = last is None or now - last >= self._demands.entries_seconds
        full = checkpoint.size // WIDTH > self._memory.recount.size // WIDTH
        if not full and not (due and checkpoint.size > self._size):
            return None
        asked = self._demands
        found = verify(
            self._read, asked.log, self._memory, witnesses=asked.witnesses, needed=asked.quorum
        )
        if found.holds and found.checkpoint is not None:
            self._entries_read, self._size = now, found.checkpoint.size
        return found.fault

    def _in_order(self, checkpoint: Checkpoint, note: bytes) -> Look:
        if note != self._note:
            if checkpoint not in self._memory.kept:
                self._memory.kept.append(checkpoint)
            self._kept.note(note)
            self._note = note
        self._kept.save(self._memory)
        SEEN.set(checkpoint.size)
        VERIFIED.set(self._size)
        LOOKED.set(time.time())
        _log.debug("log in order", size=checkpoint.size, verified=self._size)
        return Look(checkpoint, self._size)

    def _unreached(self, error: LogUnavailable) -> Look:
        UNREACHABLE.inc()
        _log.warning("log not reached", why=str(error))
        return Look(None, self._size, reached=False)

    def _alarm(self, checkpoint: Checkpoint | None, note: bytes, fault: Fault) -> Look:
        ALARM.labels(fault.kind).set(1)
        evidence = str(self._kept.evidence(note)) if note else None
        _log.error(
            "LOG NOT IN ORDER",
            kind=fault.kind,
            why=fault.sentence,
            leaf=fault.leaf,
            path=fault.path,
            evidence=evidence,
        )
        return Look(checkpoint, self._size, fault)
