"""The ingest app, made of its collaborators."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import Lifespan

from services.ingest import openapi
from services.ingest.answers import UnexpectedErrors, http_error_response, json_response, refused_response
from services.ingest.collaborators import Collaborators
from services.ingest.cors import Cors
from services.ingest.endpoints import event_routes
from services.ingest.errors import Refused
from services.ingest.request_ids import RequestIds


def build_app(with_: Collaborators, lifespan: Lifespan[FastAPI] | None = None) -> FastAPI:
    """The event API, `/healthz`, `/readyz`, `/metrics` and `/docs`."""

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        with_.metrics.refused(error.code)
        return await refused_response(request, error)

    app = FastAPI(
        title="Tasuki ingest",
        summary="Behaviour events in, in the words of Segment, RudderStack and CloudEvents",
        version="1",
        routes=[*event_routes(with_)],
        redirect_slashes=False,  # analytics-node takes a 3xx for success and drops the events
        middleware=[Middleware(Cors), Middleware(RequestIds), Middleware(UnexpectedErrors)],
        exception_handlers={Refused: refused, HTTPException: http_error_response},
        lifespan=lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # to ask whether there is any takes 4 µs
    )
    _add_operations(app, with_)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _add_operations(app: FastAPI, with_: Collaborators) -> None:
    @app.get("/healthz", tags=["Operations"], summary="The process is alive")
    async def healthz() -> Response:
        return json_response(200, {"status": "ok"})

    not_ready: dict[int | str, dict[str, Any]] = {503: {"description": "Not now: the reason"}}

    @app.get("/readyz", tags=["Operations"], summary="Events can be stored now", responses=not_ready)
    async def readyz() -> Response:
        trouble = await with_.publisher.trouble()
        if trouble:
            return json_response(503, {"code": "not_ready", "message": trouble})
        return json_response(200, {"status": "ready"})

    @app.get("/metrics", tags=["Operations"], summary="For Prometheus", response_class=PlainTextResponse)
    async def metrics() -> Response:
        return PlainTextResponse(generate_latest(with_.metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _openapi(app: FastAPI) -> dict[str, Any]:
    if not app.openapi_schema:
        document = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        document["paths"] = openapi.paths() | document["paths"]
        document.setdefault("components", {})["schemas"] = openapi.components()
        document["components"]["securitySchemes"] = {
            "WriteKey": {"type": "http", "scheme": "basic", "description": "user name: the write key; no password"}
        }
        app.openapi_schema = document
    return app.openapi_schema
