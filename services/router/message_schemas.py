"""JSON Schemas of what others read and report, and the AsyncAPI document, from the types themselves.

`python -m services.router.message_schemas` writes them to shared/schemas; a test fails while they differ.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from services.router.alert_messages import AlertMessage
from services.router.asyncapi import document_text
from services.router.feedback.told import ReportedMessage
from services.router.messages import HandOffMessage, StageMessage
from shared.events import Event
from shared.feedback import AnyReport
from shared.playbook import load_playbook
from shared.scores import ScoreRecord
from shared.topics import Topics

DIRECTORY = Path(__file__).parents[2] / "shared" / "schemas"
FILES: dict[str, Any] = {
    "stage-changed.json": StageMessage,
    "handoff.json": HandOffMessage,
    "alert.json": AlertMessage,
    "handoff-reported.json": ReportedMessage,
    "feedback.json": AnyReport,
    "score.json": ScoreRecord,
    "event.json": Event,
}
ASYNCAPI = "asyncapi.yaml"


def schema_text(type: Any) -> str:
    """JSON Schema 2020-12."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(type)}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def asyncapi_text() -> str:
    """The AsyncAPI document under the default prefix and the default playbook."""
    return document_text(Topics(), load_playbook())


def main() -> None:
    DIRECTORY.mkdir(exist_ok=True)
    for name, type in FILES.items():
        (DIRECTORY / name).write_text(schema_text(type), encoding="utf-8")
    (DIRECTORY / ASYNCAPI).write_text(asyncapi_text(), encoding="utf-8")


if __name__ == "__main__":
    main()
