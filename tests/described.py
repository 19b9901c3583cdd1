"""Whether a message is as the AsyncAPI document says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import jsonschema
import yaml

from services.router.message_schemas import ASYNCAPI, DIRECTORY


@cache
def document() -> dict[str, Any]:
    return yaml.safe_load((DIRECTORY / ASYNCAPI).read_text("utf-8"))


def refuse_undescribed(topic: str, headers: Mapping[str, str], value: bytes | Mapping[str, Any]) -> None:
    """Raises `jsonschema.ValidationError` for a message that is not as described. `topic` is without its prefix."""
    message = document()["components"]["messages"]["handoffs" if topic.startswith("handoffs.") else topic]
    data = json.loads(value) if isinstance(value, bytes) else value
    for described, given in ((message["headers"], dict(headers)), (message["payload"], data)):
        # Beside a $ref, draft 7 sees nothing else.
        schema = {"components": document()["components"], "allOf": [described]}
        jsonschema.Draft7Validator(schema).validate(given)
