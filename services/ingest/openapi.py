"""What OpenAPI says about endpoints that read their body themselves."""

from __future__ import annotations

from typing import Any

import msgspec

from services.ingest.schemas import BATCH_PATHS, SHORT_PATHS, WEBHOOK_PATH, Batch, Call, CloudEvent
from shared.events import Kind

SEGMENT, CLOUD_EVENTS, WEBHOOKS = "Segment and RudderStack", "CloudEvents", "Webhooks"
_REFERENCE = "#/components/schemas/{name}"
_WEBHOOK_NAME = {
    "name": "name",
    "in": "path",
    "required": True,
    "description": "a mapping: a shipped one (form, hubspot, mailchimp, marketo, sendgrid …) or one of TASUKI_WEBHOOKS",
    "schema": {"type": "string"},
}
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
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
    """Everything is stored: `accepted` events, and the rejected ones in `dead-letters`.

    `rejected` lists the first 500 of these; `rejected_not_listed` says how many more there are."""

    success: bool
    accepted: int
    rejected: list[Rejected]
    rejected_not_listed: int = 0


class Error(msgspec.Struct):
    """`code` is for programs, `message` says what to do."""

    code: str
    message: str


_ERRORS = {
    400: "The body cannot be parsed (the message names the byte), or the one event in it was rejected",
    401: "Unknown write key",
    403: "The write key is for other websites",
    408: "The request was not complete in time",
    413: "The body exceeds 5 MiB after decompression, or a batch has more than 5,000 events",
    415: "Compressed by something else than gzip",
    429: "Not stored, or the key sends more than it may: send it again after Retry-After seconds, same messageId",
    500: "An error of ours",
}


def paths() -> dict[str, Any]:
    """Every route of `event_routes`."""
    calls = {
        path: _operation(SEGMENT, f"One {kind} event", [Call], [Success])
        for kind in SHORT_PATHS
        for path in _paths(kind)
    }
    summary = "Several events; one bad event does not harm the others"
    batches = {path: _operation(SEGMENT, summary, [Batch], [BatchResult]) for path in BATCH_PATHS}
    ignored = {
        "tags": [SEGMENT],
        "summary": "Accepted and ignored",
        "responses": {"200": _response("Ignored", Success)},
    }
    events = _operation(
        CLOUD_EVENTS, "CloudEvents 1.0: binary, structured or batched", [CloudEvent], [Success, BatchResult]
    )
    browser = {
        "/v1/projects/{write_key}/settings": _loaded("Settings of analytics.js: the only destination is this service"),
        "/sourceConfig/": _loaded("Settings of RudderStack's SDK", _WRITE_KEY_QUERY),
        "/analytics.js/v1/{write_key}/analytics.min.js": _loaded("analytics.js, where it is installed"),
    }
    every = {**calls, **batches, "/v1/m": ignored, "/v1/events": events}
    posts = {path: {"post": operation} for path, operation in every.items()}
    return posts | browser | {WEBHOOK_PATH: {"post": _webhook(), "get": _webhook_check()}}


def components() -> dict[str, Any]:
    """The schemas that the paths refer to."""
    types = [Call, Batch, CloudEvent, Success, BatchResult, Rejected, Error]
    _, schemas = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    schemas["Batch"]["properties"]["batch"]["items"] = _shown(Call)
    return schemas


def _loaded(summary: str, *parameters: dict[str, Any]) -> dict[str, Any]:
    in_path = {"name": "write_key", "in": "path", "required": True, "schema": {"type": "string"}}
    errors = {str(status): _response(_ERRORS[status], Error) for status in (401, 403)}
    errors["404"] = _response("Not installed", Error)
    operation = {
        "tags": [SEGMENT],
        "summary": summary,
        "parameters": list(parameters) or [in_path],
        "security": [{"WriteKey": []}, {}],
        "responses": {"200": {"description": "For the SDK"}, **errors},
    }
    return {"get": operation}


def _paths(kind: Kind) -> tuple[str, str]:
    return f"/v1/{kind}", f"/v1/{SHORT_PATHS[kind]}"


def _operation(tag: str, summary: str, bodies: list[type], results: list[type]) -> dict[str, Any]:
    errors = {str(status): _response(text, Error) for status, text in _ERRORS.items()}
    errors["429"]["headers"] = {"Retry-After": {"description": "whole seconds", "schema": {"type": "integer"}}}
    return {
        "tags": [tag],
        "summary": summary,
        "parameters": [_WRITE_KEY_QUERY],
        "security": [{"WriteKey": []}, {}],
        "requestBody": {
            "required": True,
            "description": "JSON whatever the Content-Type says, gzip or not",
            "content": {media: {"schema": _shown(*bodies)} for media in ("application/json", "text/plain")},
        },
        "responses": {"200": _response("Stored by all in-sync replicas, or in the spool", *results), **errors},
    }


def _webhook() -> dict[str, Any]:
    webhook = _operation(WEBHOOKS, "What a marketing tool or a form sends", [], [Success, BatchResult])
    webhook["parameters"] = [_WEBHOOK_NAME, _WRITE_KEY_QUERY]
    webhook["requestBody"] = {
        "required": True,
        "description": "as the tool writes it; the mapping says where everything is",
        "content": {media: {} for media in ("application/json", *_FORMS)},
    }
    webhook["responses"] |= {
        "303": {"description": "A form is stored, and its mapping names a page to go on to"},
        "401": _response("Unknown write key, or a signature that is not right", Error),
        "403": _response("Another website's key; or the secret of a mapping that signs is not set", Error),
        "404": _response("No such mapping; the message lists what there is", Error),
    }
    return webhook


def _webhook_check() -> dict[str, Any]:
    """Mailchimp asks so."""
    responses = {
        "200": _response("The address and its write key are right", Success),
        "401": _response("Unknown write key", Error),
        "404": _response("No such mapping; the message lists what there is", Error),
    }
    return {
        "tags": [WEBHOOKS],
        "summary": "Is the address right?",
        "parameters": [_WEBHOOK_NAME, _WRITE_KEY_QUERY],
        "security": [{"WriteKey": []}, {}],
        "responses": responses,
    }


def _response(description: str, *types: type) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": _shown(*types)}}}


def _shown(*types: type) -> dict[str, Any]:
    """Any of these."""
    references = [{"$ref": _REFERENCE.format(name=one.__name__)} for one in types]
    return references[0] if len(references) == 1 else {"anyOf": references}
