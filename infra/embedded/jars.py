"""Kafka's jars: a locked list of coordinates and sums, fetched once per user and checked.

`python -m infra.embedded.jars VERSION` writes the lock anew from the transitive dependencies.
"""

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from infra.errors import InfrastructureError

LOCK: Final = "kafka.lock"
KAFKA: Final = "org.apache.kafka:kafka_2.13"
LOGGING: Final = "org.apache.logging.log4j:log4j-slf4j-impl"
"""Kafka's own archive adds this bridge to its dependencies; without it the broker logs nothing."""

Fetch = Callable[["Jar", Path], Path]


class JarsUnavailable(InfrastructureError):
    """A jar of the lock could not be fetched, or is not the one that was locked."""


@dataclass(frozen=True, slots=True)
class Jar:
    """One locked artifact: Maven group, artifact, version, and the SHA-256 of its bytes (hex)."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def coordinate(self) -> str:
        """`group:artifact:version`."""
        return f"{self.group}:{self.artifact}:{self.version}"


def parse_lock(text: str) -> tuple[Jar, ...]:
    """Read a lock: `group:artifact:version sha256` per line, `#` starts a comment line."""
    jars = []
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        coordinate, sha256 = line.split()
        group, artifact, version = coordinate.split(":")
        jars.append(Jar(group, artifact, version, sha256))
    return tuple(jars)


def locked() -> tuple[Jar, ...]:
    """The committed lock."""
    return parse_lock(resources.files(__package__).joinpath(LOCK).read_text("utf-8"))


def user_cache() -> Path:
    """Where this user's jars are kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "dpp" / "kafka"


def classpath(
    cache: Path | None = None, jars: tuple[Jar, ...] | None = None, fetch: Fetch | None = None
) -> list[Path]:
    """Paths of all locked jars, fetched when missing, hashed once and again when a file changed.

    Raises:
        JarsUnavailable: a jar cannot be fetched, or its sum is not the locked one.
    """
    cache = cache or user_cache()
    jars = jars or locked()
    fetch = fetch or _fetch
    seal = cache / f"verified-{_digest_of(jars)}.json"
    seen = _read_seal(seal)
    paths: dict[str, Path] = {}
    stamps: dict[str, list[int]] = {}
    for jar in jars:
        path = _path(cache, jar)
        if not path.exists() or seen.get(jar.coordinate) != _stamp(path):
            path = _verified(cache, jar, fetch)
        paths[jar.coordinate] = path
        stamps[jar.coordinate] = _stamp(path)
    if stamps != seen:
        _write_seal(seal, stamps)
    return list(paths.values())


def _verified(cache: Path, jar: Jar, fetch: Fetch) -> Path:
    """One jar with the right sum; a file left by an interrupted download is fetched once more."""
    path = _path(cache, jar)
    if path.exists():
        if _sum(path) == jar.sha256:
            return path
        path.unlink()
    path = fetch(jar, cache)
    found = _sum(path)
    if found != jar.sha256:
        path.unlink()
        raise JarsUnavailable(
            f"The jar {jar.coordinate} has the SHA-256 sum {found}, but {LOCK} asks for "
            f"{jar.sha256}: it was not used; check the Maven repository it came from."
        )
    return path


def _fetch(jar: Jar, cache: Path) -> Path:
    # jgo is slow to import and only needed when a jar is missing.
    from jgo.config import GlobalSettings  # noqa: PLC0415 - see above
    from jgo.constants import MAVEN_CENTRAL_URL  # noqa: PLC0415 - see above
    from jgo.maven import MavenContext  # noqa: PLC0415 - see above

    user = GlobalSettings.load()
    context = MavenContext(
        repo_cache=cache, remote_repos={"central": MAVEN_CENTRAL_URL, **user.repositories}
    )
    component = context.project(jar.group, jar.artifact).at_version(jar.version)
    try:
        return Path(component.artifact().resolve())
    except Exception as error:
        raise JarsUnavailable(
            f"The jar {jar.coordinate} could not be fetched ({type(error).__name__}): check the "
            "network, or name a Maven mirror in jgo's configuration file."
        ) from error


def _path(cache: Path, jar: Jar) -> Path:
    folder = cache.joinpath(*jar.group.split("."), jar.artifact, jar.version)
    return folder / f"{jar.artifact}-{jar.version}.jar"


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stamp(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns]


def _digest_of(jars: tuple[Jar, ...]) -> str:
    lines = "\n".join(f"{jar.coordinate} {jar.sha256}" for jar in jars)
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def _read_seal(seal: Path) -> dict[str, list[int]]:
    try:
        found = json.loads(seal.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_seal(seal: Path, stamps: dict[str, list[int]]) -> None:
    # Two first runs at once each write a whole file; the rename keeps readers from half of one.
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=seal.parent, delete=False, suffix=".tmp"
    ) as file:
        json.dump(stamps, file)
    Path(file.name).replace(seal)


def relock(version: str, target: Path) -> int:
    """Write the lock for a Kafka version into `target`; returns the number of jars."""
    import jgo  # noqa: PLC0415 - only this maintenance step resolves dependencies

    artifacts = jgo.resolve(f"{KAFKA}:{version}")
    log4j = next(a.version for a in artifacts if a.artifactId == "log4j-core")
    artifacts += [a for a in jgo.resolve(f"{LOGGING}:{log4j}") if a.artifactId in LOGGING]
    lines = {f"{a.groupId}:{a.artifactId}:{a.version} {_sum(Path(a.resolve()))}" for a in artifacts}
    head = [line for line in target.read_text("utf-8").splitlines() if line.startswith("#")]
    target.write_text("\n".join([*head, *sorted(lines)]) + "\n", "utf-8")
    return len(lines)


if __name__ == "__main__":
    relock(sys.argv[1], Path(__file__).with_name(LOCK))
