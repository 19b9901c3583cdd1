"""Every error of the API is JSON with `code` and `message`."""

from __future__ import annotations

import logging
from typing import Any

import sqlalchemy.exc
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from services.router.failures import described, is_away, is_data

log = logging.getLogger(__name__)

FAILED = "the router failed; its log says why"


class ErrorBody(BaseModel):
    """What went wrong and what to do."""

    code: str = Field(description="for programs", examples=["not_found"])
    message: str = Field(description="for people: what was wrong and what to do")


class ApiError(Exception):
    """Answered as it is."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of an endpoint, for OpenAPI. Every one may answer 401, 403, 422 and 503."""
    told = {
        401: "no token, or one that is not known",
        403: "the token lacks the scope",
        404: "there is no such thing",
        409: "it cannot be done as things stand; the message says why",
        422: "the request is not as described",
        503: "the database does not answer: try again",
    }
    return {status: {"model": ErrorBody, "description": told[status]} for status in (401, 403, 422, 503, *statuses)}


def install(app: FastAPI) -> None:
    """Make every error an `ErrorBody`."""

    @app.exception_handler(ApiError)
    async def _known(_: Request, error: ApiError) -> JSONResponse:
        return _answer(error.status, error.code, error.message, error.headers)

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> JSONResponse:
        codes = {404: "not_found", 405: "method_not_allowed"}
        return _answer(error.status_code, codes.get(error.status_code, "http_error"), str(error.detail), error.headers)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        problems = [f"{'.'.join(str(part) for part in p['loc'])}: {p['msg']}" for p in error.errors()]
        return _answer(422, "invalid_request", "; ".join(problems))

    @app.exception_handler(sqlalchemy.exc.DBAPIError)
    @app.exception_handler(sqlalchemy.exc.TimeoutError)
    @app.exception_handler(OSError)
    async def _database(request: Request, error: Exception) -> JSONResponse:
        if is_away(error):
            return _answer(503, "database_away", "the database does not answer: try again", {"Retry-After": "1"})
        if is_data(error):
            message = "a value cannot be stored or compared (a NUL character, or a number out of range): change it"
            return _answer(422, "invalid_request", message)
        # The path as it is declared: the one that was asked for holds lead ids and addresses.
        path = getattr(request.scope.get("route"), "path", "?")
        log.error("%s %s failed in the database: %s", request.method, path, described(error))
        return _answer(500, "internal_error", FAILED)

    @app.exception_handler(Exception)
    async def _unexpected(_: Request, error: Exception) -> JSONResponse:
        # Starlette logs the traceback; the caller gets no inner workings.
        return _answer(500, "internal_error", FAILED)


def _answer(status: int, code: str, message: str, headers: Any = None) -> JSONResponse:
    return JSONResponse({"code": code, "message": message}, status, headers)
