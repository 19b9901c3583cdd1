"""What OpenAPI says about endpoints that read their body themselves."""

from __future__ import annotations

from typing import Any

import msgspec

from services.ingest.schemas import Batch, Call
from shared.events import Kind

_REFERENCE = "#/components/schemas/{name}"
_WRITE_KEY_QUERY = {
    "name": "writeKey",
    "in": "query",
    "required": False,
    "description": "the write key, where it is neither the Basic user name nor in the body",
    "schema": {"type": "string"},
}


class Success(msgspec.Struct):
    """Everything is stored."""

    success: bool


class Rejected(msgspec.Struct):
    """An event that was put aside: its place in the batch, its messageId if readable, and why."""

    index: int
    message_id: str | None
    code: str
    message: str


class BatchResult(msgspec.Struct):
    """Everything is stored: `accepted` events, and the rejected ones in `dead-letters`."""

    success: bool
    accepted: int
    rejected: list[Rejected]


class Error(msgspec.Struct):
    """`code` is for programs, `message` says what to do."""

    code: str
    message: str


_ERRORS = {
    400: "The body cannot be parsed (the message names the byte), or the one event in it was rejected",
    401: "Unknown write key",
    413: "The body exceeds 5 MiB after decompression",
    415: "Compressed by something else than gzip",
    429: "Nothing was acknowledged: send it again after Retry-After seconds, with the same messageId",
    500: "An error of ours",
}


def call(kind: Kind) -> dict[str, Any]:
    """Arguments for the route of one kind of call."""
    return _route(f"One {kind} event", _shown(Call), Success)


def batch() -> dict[str, Any]:
    """Arguments for the route of batches."""
    return _route("Several events; one bad event does not harm the others", _shown(Batch), BatchResult)


def ignored() -> dict[str, Any]:
    """Arguments for a route that takes anything."""
    return {
        "summary": "Accepted and ignored",
        "openapi_extra": {"responses": {"200": _response("Ignored", Success)}},
    }


def components() -> dict[str, Any]:
    """The schemas that the routes refer to."""
    types = [Call, Batch, Success, BatchResult, Rejected, Error]
    _, schemas = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    schemas["Batch"]["properties"]["batch"]["items"] = _shown(Call)
    return schemas


def _route(summary: str, body: dict[str, Any], result: type) -> dict[str, Any]:
    errors = {str(status): _response(text, Error) for status, text in _ERRORS.items()}
    errors["429"]["headers"] = {"Retry-After": {"description": "whole seconds", "schema": {"type": "integer"}}}
    return {
        "summary": summary,
        "openapi_extra": {
            "parameters": [_WRITE_KEY_QUERY],
            "security": [{"WriteKey": []}, {}],
            "requestBody": {
                "required": True,
                "description": "JSON whatever the Content-Type says, gzip or not",
                "content": {media: {"schema": body} for media in ("application/json", "text/plain")},
            },
            "responses": {"200": _response("Stored by all in-sync replicas", result), **errors},
        },
    }


def _response(description: str, type_: type) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": _shown(type_)}}}


def _shown(type_: type) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(name=type_.__name__)}
