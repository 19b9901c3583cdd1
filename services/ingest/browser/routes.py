"""The paths at which browsers ask for settings and scripts; without a redirect, and with the errors of all others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from services.ingest.answers import json_response
from services.ingest.browser.script import Script
from services.ingest.browser.settings import rudderstack_source, segment_settings
from services.ingest.errors import not_installed, unknown_write_key
from shared.keys import KeyEntry

BUNDLES = "/analytics-next/bundles"
SETTINGS_SECONDS = 60  # a key that is revoked, or an address that has changed, is noticed by then
SCRIPT_SECONDS = 3600
YEAR_SECONDS = 365 * 24 * 3600

FindOwner = Callable[[str | None, str | None], KeyEntry]
"""Of a write key, on a website of an origin. Raises `Refused` (401, 403)."""
WriteKeyOf = Callable[[Request], str | None]


class _Bundles(StaticFiles):
    """Their names hold a hash of what is in them."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = f"public, max-age={YEAR_SECONDS}, immutable"
        return response


def browser_routes(
    owner_of: FindOwner, write_key_of: WriteKeyOf, script_dir: Path | None, public_url: str | None
) -> list[BaseRoute]:
    """`script_dir` has the files of @segment/analytics-next; `public_url` is where browsers see us, if not where they
    ask. Raises `OSError` and `ValueError` when `script_dir` is not such a directory."""

    async def settings(request: Request) -> Response:
        write_key = request.path_params["write_key"]
        owner_of(write_key, request.headers.get("origin"))
        return _cached(json_response(200, segment_settings(write_key, public_url or _asked(request))))

    async def source_config(request: Request) -> Response:
        write_key = write_key_of(request)
        name = owner_of(write_key, request.headers.get("origin")).name
        return _cached(json_response(200, rudderstack_source(write_key or "", name, public_url or _asked(request))))

    routes: list[BaseRoute] = [
        Route("/v1/projects/{write_key}/settings", settings, methods=["GET"]),
        Route("/sourceConfig", source_config, methods=["GET"]),
        Route("/sourceConfig/", source_config, methods=["GET"]),
    ]
    return routes + (_script_routes(owner_of, script_dir) if script_dir else [_without_script()])


def _script_routes(owner_of: FindOwner, directory: Path) -> list[BaseRoute]:
    script = Script(directory)

    async def analytics_js(request: Request) -> Response:
        write_key = request.path_params["write_key"]
        owner_of(write_key, request.headers.get("origin"))
        try:
            plain = "gzip" not in request.headers.get("accept-encoding", "")
            content = script.plain(write_key) if plain else script.compressed(write_key)
        except ValueError:
            raise unknown_write_key() from None
        headers = {"Cache-Control": f"public, max-age={SCRIPT_SECONDS}", "Vary": "Accept-Encoding"}
        if not plain:
            headers["Content-Encoding"] = "gzip"
        return Response(content, 200, headers, media_type="text/javascript")

    return [
        Route("/analytics.js/v1/{write_key}/analytics.min.js", analytics_js, methods=["GET"]),
        Mount(BUNDLES, _Bundles(directory=directory)),
    ]


def _without_script() -> BaseRoute:
    async def missing(_: Request) -> Response:
        raise not_installed()

    return Route("/analytics.js/v1/{write_key}/analytics.min.js", missing, methods=["GET"])


def _asked(request: Request) -> str:
    """Where the browser asked, also through a proxy that ends TLS."""
    scheme = request.headers.get("x-forwarded-proto", request.url.scheme).partition(",")[0].strip()
    return f"{'https' if scheme == 'https' else 'http'}://{request.headers.get('host', '')}"


def _cached(response: Response) -> Response:
    # By whom it is asked for stands in the address or in the Authorization; where we are may depend on the proxy.
    response.headers["Cache-Control"] = f"private, max-age={SETTINGS_SECONDS}"
    return response
