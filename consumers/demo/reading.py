"""Who sees what: the same record through the eyes of everybody who may, and who may not."""

import json
from typing import Any

import httpx

from consumers.demo.cast import HISTORY_LINES, PHARMACIES, Cast
from consumers.demo.checks import Checks


class Portal:
    """Calls the API as one person or another, with tokens of the development issuer."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self.tokens: dict[str, str] = {}

    async def enter(self, name: str, **claims: str) -> None:
        """Gets a token for a person."""
        answer = await self._client.post("/dev/token", json=claims)
        answer.raise_for_status()
        self.tokens[name] = answer.json()["access_token"]

    async def call(
        self, name: str, path: str, body: dict[str, Any] | None = None
    ) -> httpx.Response:
        """One call in the name of somebody."""
        headers = {"Authorization": f"Bearer {self.tokens[name]}"}
        return await self._client.post(path, json=body or {}, headers=headers)


async def enter_all(portal: Portal, cast: Cast) -> None:
    """Tokens for the whole cast."""
    for name in ("patient", "holder", "stranger"):
        await portal.enter(name, role="patient", niss=getattr(cast, name))
    for name in ("physician", "unlinked", "excluded"):
        await portal.enter(
            name, role="caregiver", nihdi=getattr(cast, name), profession="physician"
        )
    await portal.enter(
        "pharmacist",
        role="pharmacist",
        nihdi=cast.pharmacist,
        profession="pharmacist",
        organisation=PHARMACIES[0],
    )
    await portal.enter("pharmacy", role="pharmacy", organisation=PHARMACIES[0])


async def register_all(portal: Portal, cast: Cast, checks: Checks) -> None:
    """Consent, links, an exclusion and a mandate, each acknowledged once it holds."""

    def professional(number: str) -> dict[str, str]:
        return {"party_kind": "professional", "number": number}

    consultation = {"kind": "declare_link", "link_type": "consultation"}
    pharmacy = {"party_kind": "organisation", "number": PHARMACIES[0]}
    holder = {"party_kind": "citizen", "number": cast.holder}
    bodies: list[dict[str, Any]] = [
        {"kind": "give_consent"},
        {**consultation, "party": professional(cast.physician)},
        {**consultation, "party": professional(cast.excluded)},
        {"kind": "declare_link", "link_type": "pharmacy", "party": pharmacy},
        {"kind": "put_exclusion", "party": professional(cast.excluded)},
        {"kind": "grant_mandate", "holder": holder},
    ]
    for body in bodies:
        answer = await portal.call("patient", "/v1/registrations", body)
        checks.expect(f"registration {body['kind']}", 201, answer.status_code)
    accept = {"kind": "accept_mandate", "patient": cast.patient, "mandate": answer.json()["id"]}
    answer = await portal.call("holder", "/v1/registrations", accept)
    checks.expect("registration accept_mandate", 201, answer.status_code)


async def read_all(portal: Portal, cast: Cast, checks: Checks) -> dict[str, Any]:
    """Every reader's view; answers what is worth showing."""
    six, twelve = HISTORY_LINES["six_months"], HISTORY_LINES["twelve_months"]
    asked = {"patient": cast.patient}
    own: dict[str, Any] = (await portal.call("patient", "/v1/me/history")).json()
    checks.expect("the patient sees six months", six, len(own["lines"]))
    checks.expect("the patient sees the pharmacy", True, _all_have(own, "pharmacy"))
    mandates = (await portal.call("holder", "/v1/mandates/history")).json()
    seen = {person["own"]: len(person["history"]["lines"]) for person in mandates["people"]}
    checks.expect("the mandate holder sees oneself and the mandator", {True: 0, False: six}, seen)
    caregiver = (await portal.call("physician", "/v1/patients/history", asked)).json()
    checks.expect("the caregiver sees six months", six, len(caregiver["lines"]))
    checks.expect("the caregiver sees no pharmacy", False, _any_has(caregiver, "pharmacy"))
    pharmacist = (await portal.call("pharmacist", "/v1/patients/history", asked)).json()
    checks.expect("the pharmacist sees twelve months", twelve, len(pharmacist["lines"]))
    checks.expect("the pharmacist sees no pharmacy", False, _any_has(pharmacist, "pharmacy"))
    lines = (await portal.call("pharmacy", "/v1/pharmacy/dispensations")).json()["lines"]
    checks.expect("the pharmacy sees its own lines", 3, len(lines))
    return own


async def refuse_all(portal: Portal, cast: Cast, checks: Checks) -> None:
    """Unconsented, unlinked, excluded and unknown are refused alike; withdrawal acts at once."""
    refused = [
        await portal.call("physician", "/v1/patients/history", {"patient": cast.stranger}),
        await portal.call("unlinked", "/v1/patients/history", {"patient": cast.patient}),
        await portal.call("excluded", "/v1/patients/history", {"patient": cast.patient}),
    ]
    kinds = {(one.status_code, one.text) for one in refused}
    checks.expect("no consent, no link and exclusion look the same", 1, len(kinds))
    checks.expect("and are refused", {403}, {one.status_code for one in refused})
    answer = await portal.call("patient", "/v1/registrations", {"kind": "withdraw_consent"})
    checks.expect("registration withdraw_consent", 201, answer.status_code)
    after = await portal.call("physician", "/v1/patients/history", {"patient": cast.patient})
    checks.expect("the very next read after the withdrawal", 403, after.status_code)


async def access_log(portal: Portal, checks: Checks) -> list[dict[str, Any]]:
    """The patient's access log with everything that happened."""
    log = (await portal.call("patient", "/v1/me/access-log")).json()["accesses"]
    found = sorted((one["role"], one["decision"]) for one in log)
    expected = sorted(
        [
            ("patient", "permit"),
            ("patient", "permit"),
            ("caregiver", "permit"),
            ("pharmacist", "permit"),
            ("pharmacy", "permit"),
            *[("caregiver", "deny")] * 3,
        ]
    )
    checks.expect("the access log holds every read", json.dumps(expected), json.dumps(found))
    return list(log)


def _all_have(answer: dict[str, Any], member: str) -> bool:
    return all(line.get(member) is not None for line in answer["lines"])


def _any_has(answer: dict[str, Any], member: str) -> bool:
    return any(line.get(member) is not None for line in answer["lines"])
