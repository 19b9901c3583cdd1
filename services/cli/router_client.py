"""The router's API, as far as the command line asks it."""

from __future__ import annotations

from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx

from services.cli.errors import CommandError


class RouterClient:
    """An asynchronous context manager. Every method raises `CommandError` with the router's own words."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._http = httpx.AsyncClient(
            base_url=self._url, headers={"authorization": f"Bearer {token}"}, timeout=httpx.Timeout(30.0)
        )

    async def __aenter__(self) -> RouterClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def get(self, path: str, **parameters: str) -> Any:
        return await self._ask("GET", path, params=parameters)

    async def activate(self, playbook: str) -> dict[str, Any]:
        """A playbook, as text, holds from now on."""
        body = {"content": playbook.encode(), "headers": {"content-type": "application/yaml"}}
        found: dict[str, Any] = await self._ask("POST", "/v1/playbooks", **body)
        return found

    async def _ask(self, method: str, path: str, **request: Any) -> Any:
        try:
            response = await self._http.request(method, path, **request)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise CommandError(f"no answer from the router at {self._url}: {error}") from error
        if response.is_success:
            return response.json()
        is_json = response.headers.get("content-type", "").startswith("application/json")
        message = response.json().get("message") if is_json else response.reason_phrase
        raise CommandError(f"the router at {self._url} answered {response.status_code}: {message}")

    async def lead(self, id: str) -> dict[str, Any]:
        """By lead id, user id or e-mail address."""
        found: dict[str, Any] = await self.get(f"/v1/leads/{quote(id, safe='')}")
        return found

    async def leads_by_stage(self) -> dict[str, int]:
        """Leads (and anonymous visitors) that are at each stage now."""
        return {row["stage"]: row["now"] for row in await self.get("/v1/kpi/funnel")}

    async def audit(self) -> dict[str, int]:
        """How many leads, or hand-offs, the audit lists under each heading."""
        return {name: len(found) for name, found in (await self.get("/v1/audit")).items()}
