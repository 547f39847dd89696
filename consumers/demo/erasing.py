"""A person is erased: asked for, agreed to by two officers, carried out, certified."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from consumers.demo.checks import Checks
from consumers.demo.portal import Portal
from consumers.demo.reading import OWN, REGISTRATIONS
from consumers.erasure import certificate as certificates
from consumers.erasure.issuing import NotCertified, issue
from consumers.simulation.registrations import Personas, TokenPersona
from consumers.stack.office import log_verifier, office_signing_key
from infra.settings import Settings
from streams.notary.directory import LogDirectory

OFFICERS: Final = ("first_officer", "second_officer")
ERASED: Final = "withdrawing"
OFFICE: Final = "0428759497"
"""Enterprise number of the office that the demo's privacy officers work for."""
WITHIN: Final = 60.0
_LOOK_AGAIN: Final = 0.2


def officers(cast: Personas) -> dict[str, TokenPersona]:
    """Two different people who are privacy officers besides."""
    people = (cast.nurse, cast.unlinked)
    return {
        name: TokenPersona("privacy_officer", niss=one.niss, organisation=OFFICE)
        for name, one in zip(OFFICERS, people, strict=True)
    }


async def erasing(settings: Settings, portal: Portal, patient: str, checks: Checks) -> None:
    """Somebody who withdrew consent asks to be erased; what could be read is gone for everybody."""
    lines = (await portal.read(ERASED, OWN))["lines"]
    checks.expect("before the erasure there are lines to read", True, bool(lines))
    asked = {
        "kind": "request_erasure",
        "ground": "consent_withdrawn",
        "explanation": "asked at the counter",
    }
    status, erasure = await _step(portal, ERASED, asked)
    checks.expect("the patient asks to be erased", 201, status)
    step = {"patient": patient, "erasure": erasure}
    for name, kind, expected in (
        (OFFICERS[0], "approve_erasure", 201),
        (OFFICERS[0], "execute_erasure", 422),
        (OFFICERS[1], "approve_erasure", 201),
        (OFFICERS[0], "execute_erasure", 201),
    ):
        status, _ = await _step(portal, name, {**step, "kind": kind})
        checks.expect(f"{name}: {kind}", expected, status)
    left = await _emptied(portal)
    checks.expect("after the erasure there is nothing to read", 0, left)
    await _certified(settings, erasure, checks)


async def _step(portal: Portal, name: str, form: Mapping[str, Any]) -> tuple[int, str]:
    answer = await portal.call(name, REGISTRATIONS, form)
    return answer.status_code, str(answer.json().get("id", ""))


async def _emptied(portal: Portal) -> int:
    """How many lines the patient still reads once the keeper has been there."""
    until = asyncio.get_running_loop().time() + WITHIN
    while True:
        left = len((await portal.read(ERASED, OWN)).get("lines", []))
        if left == 0 or asyncio.get_running_loop().time() > until:
            return left
        await asyncio.sleep(_LOOK_AGAIN)


async def _certified(settings: Settings, erasure: str, checks: Checks) -> None:
    """Nothing can be read as soon as the secret is gone; the keeper removes the rows after it."""
    office = office_signing_key(settings)
    read = LogDirectory(settings.log_folder).read
    until = asyncio.get_running_loop().time() + WITHIN
    while True:
        try:
            now = datetime.now(UTC)
            (made,) = await issue(settings, read, log_verifier(settings), erasure, now)
            break
        except NotCertified as error:
            if asyncio.get_running_loop().time() > until:
                checks.expect("the erasure is certified: the log holds and replays", "", str(error))
                return
        await asyncio.sleep(_LOOK_AGAIN)
    note = certificates.sign(made, settings.log_origin, office.private).encode()
    found = certificates.check(note, settings.log_origin, office.public_bytes)
    what = "the erasure is certified: the log holds and replays"
    checks.expect(what, (made.subject, made.log.size), (found.subject, found.log.size))
    checks.expect("its certificate names the leaves that went dark", True, bool(found.log.leaves))
