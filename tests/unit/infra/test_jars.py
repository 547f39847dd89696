"""The lock of Kafka's jars, without any network."""

import hashlib
from pathlib import Path

import pytest

from infra.embedded.jars import Jar, JarsUnavailable, classpath, locked, parse_lock

GOOD = b"the right bytes"
JAR = Jar("org.example", "thing", "1.0", hashlib.sha256(GOOD).hexdigest())


class Repository:
    """A repository that serves one content, and counts."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.fetched = 0

    def __call__(self, jar: Jar, cache: Path) -> Path:
        self.fetched += 1
        path = cache / f"org/example/{jar.artifact}/{jar.version}/thing-1.0.jar"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.content)
        return path


def test_the_committed_lock_names_kafka_4_with_sums_and_no_host() -> None:
    jars = locked()
    assert any(jar.artifact == "kafka_2.13" and jar.version.startswith("4.") for jar in jars)
    assert all(len(bytes.fromhex(jar.sha256)) == 32 for jar in jars)
    assert not any("/" in jar.coordinate for jar in jars)
    assert len({(jar.group, jar.artifact) for jar in jars}) == len(jars)


def test_comments_and_blank_lines_of_a_lock_are_left_out() -> None:
    text = f"# a comment\n\n{JAR.coordinate} {JAR.sha256}\n"
    assert parse_lock(text) == (JAR,)


def test_a_jar_is_fetched_once_and_then_known(tmp_path: Path) -> None:
    repository = Repository(GOOD)
    first = classpath(tmp_path, (JAR,), repository)
    assert classpath(tmp_path, (JAR,), repository) == first
    assert repository.fetched == 1


def test_a_jar_with_another_sum_is_refused_and_not_kept(tmp_path: Path) -> None:
    with pytest.raises(JarsUnavailable, match=r"org\.example:thing:1\.0 has the SHA-256 sum"):
        classpath(tmp_path, (JAR,), Repository(b"other bytes"))
    assert not list(tmp_path.rglob("*.jar"))


def test_a_half_jar_of_an_interrupted_run_is_fetched_again(tmp_path: Path) -> None:
    Repository(GOOD[:3])(JAR, tmp_path)
    (path,) = classpath(tmp_path, (JAR,), Repository(GOOD))
    assert path.read_bytes() == GOOD


def test_a_jar_changed_after_it_was_verified_is_never_used(tmp_path: Path) -> None:
    (path,) = classpath(tmp_path, (JAR,), Repository(GOOD))
    path.write_bytes(b"changed since")
    with pytest.raises(JarsUnavailable):
        classpath(tmp_path, (JAR,), Repository(b"changed since"))


def test_a_lock_with_another_sum_is_not_satisfied_by_what_another_lock_verified(
    tmp_path: Path,
) -> None:
    classpath(tmp_path, (JAR,), Repository(GOOD))
    other = Jar(JAR.group, JAR.artifact, JAR.version, "0" * 64)
    with pytest.raises(JarsUnavailable):
        classpath(tmp_path, (other,), Repository(GOOD))


def test_a_damaged_record_of_verification_only_costs_another_look(tmp_path: Path) -> None:
    repository = Repository(GOOD)
    classpath(tmp_path, (JAR,), repository)
    (seal,) = tmp_path.glob("verified-*.json")
    seal.write_text("[")
    assert len(classpath(tmp_path, (JAR,), repository)) == 1
    assert repository.fetched == 1
