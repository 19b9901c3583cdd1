"""What was put aside, read again: by then the program may take it. Pure.

`records` writes the headers that are read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from services.ingest.reading.cloudevents import one_of_cloudevents
from services.ingest.reading.model import Envelope
from services.ingest.reading.segment import one_of_batch, read_call
from services.ingest.schemas import BATCH_PATHS, CLOUDEVENTS_PATH, SHORT_PATHS, WEBHOOK_PATH
from services.ingest.webhooks.mapping import Mapping as WebhookMapping
from services.ingest.webhooks.reading import one_of_webhook

_PREFIX = "http_"
_KINDS = {f"/v1/{name}": kind for kind, short in SHORT_PATHS.items() for name in (kind.value, short)}
_context = msgspec.json.Decoder(dict[str, Any])


def put_aside(raw: bytes, headers: Mapping[str, str], mappings: Mapping[str, WebhookMapping]) -> Envelope:
    """One event as a request of its own; `mappings` are of webhooks, by name. Raises `Refused`, and `ValueError` where
    the headers do not say how to read it."""
    told = {name.removeprefix(_PREFIX): value for name, value in headers.items() if name.startswith(_PREFIX)}
    path, sent_at, context = told.pop("path", None), told.pop("sent_at", None), told.pop("context", None)
    told.pop("truncates_ip", None)
    if path is None:
        raise ValueError("it has no header http_path: nobody knows how it was to be read")
    envelope = _envelope(path, raw, told, mappings)
    return replace(envelope, sent_at=sent_at, context=_context.decode(context) if context else {})


def _envelope(path: str, raw: bytes, headers: Mapping[str, str], mappings: Mapping[str, WebhookMapping]) -> Envelope:
    if path == CLOUDEVENTS_PATH:
        return one_of_cloudevents(raw, headers)
    if path in BATCH_PATHS:
        return one_of_batch(raw)
    if kind := _KINDS.get(path):
        return read_call(raw, kind)
    name = path.removeprefix(WEBHOOK_PATH.format(name=""))
    if name != path:
        if (mapping := mappings.get(name)) is None:
            raise ValueError(f"there is no mapping {name!r} for webhooks: set TASUKI_WEBHOOKS as for ingest")
        return one_of_webhook(raw, headers.get("content-type", ""), mapping, name)
    raise ValueError(f"this version takes no events at {path}")
