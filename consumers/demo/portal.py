"""Calls of the API in somebody's name, as a portal would make them."""

from collections.abc import Mapping
from typing import Any, Final

import httpx

Answer = dict[str, Any]
PAGE_LINES: Final = 500


class Portal:
    """The API through the eyes of the demo's personas, each with a token of its own."""

    def __init__(self, client: httpx.AsyncClient, tokens: Mapping[str, str]) -> None:
        self._client = client
        self._tokens = tokens

    async def call(self, name: str, path: str, body: Mapping[str, Any]) -> httpx.Response:
        """One call."""
        headers = {"Authorization": f"Bearer {self._tokens[name]}"}
        return await self._client.post(path, json=body, headers=headers)

    async def read(self, name: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        """One call whose answer is a JSON object, a problem document included."""
        answer: Answer = (await self.call(name, path, body or {})).json()
        return answer

    async def pages(
        self, name: str, path: str, body: Mapping[str, Any] | None = None
    ) -> list[Answer]:
        """All pages of a search."""
        asked = {**(body or {}), "limit": PAGE_LINES}
        found = [await self.read(name, path, asked)]
        while found[-1].get("next"):
            found.append(await self.read(name, path, {**asked, "cursor": found[-1]["next"]}))
        return found
