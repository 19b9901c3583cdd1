"""One AsyncAPI 3 document of all topics that others read or write, from the message types themselves.

`python -m services.router.message_schemas` writes it beside the JSON Schemas. It holds every schema itself, so that it
can be given to a tool as a single file. Topics are those of the default prefix and the default playbook.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import yaml

from services.router.alert_messages import AlertMessage, alert_type
from services.router.feedback.told import REPORTED, ReportedMessage
from services.router.lifecycle.model import Alerted
from services.router.messages import STAGE_CHANGED, HandOffMessage, StageMessage, handoff_types
from shared.events import Event
from shared.feedback import AnyReport
from shared.playbook import Playbook
from shared.scores import CLOUD_EVENT_TYPE, ScoreRecord
from shared.topics import Topics

COMPONENTS = "#/components/schemas/{name}"


_DESCRIPTION = (
    "Leads, their scores, stages and hand-offs on Kafka. Messages with a `ce_type` are CloudEvents 1.0 in binary mode. "
    "They are written in transactions: read with isolation.level=read_committed. Delivery is at least once with "
    "deterministic ids; the key is the lead id."
)


@dataclass(frozen=True)
class Channel:
    """A topic.

    `payload`: None where its messages have no type of ours. `types`: the values of `ce_type`; empty where its messages
    are no CloudEvents, or where `headers` names the component that says more. `action`: what Tasuki does."""

    name: str
    description: str
    payload: Any
    types: tuple[str, ...] = ()
    action: str = "send"
    content_type: str = "application/json"
    headers: str | None = None


CHANNELS = (
    Channel("stages", "A lead has entered a stage, forwards or backwards.", StageMessage, (STAGE_CHANGED,)),
    Channel(
        "handoffs",
        "A hand-off and each of its changes of state, to the receiving department; its outcome to the giver as well.",
        HandOffMessage,
        (*handoff_types(), REPORTED),
    ),
    Channel(
        "alerts",
        "What the owner of a lead must know at once: it is on the site now, or a deadline comes up.",
        AlertMessage,
        tuple(alert_type(kind.value) for kind in Alerted),
    ),
    Channel(
        "scores",
        "The latest score of a lead, with its explanation (compacted). A record without a value: the lead was erased.",
        ScoreRecord,
        (CLOUD_EVENT_TYPE,),
    ),
    Channel(
        "events",
        "Every accepted event. Kinds link, member, recycle and erase are Tasuki's own: leave them out. The id is "
        "unique within its source; no CloudEvents headers.",
        Event,
    ),
    Channel(
        "feedback",
        "What sales tools report back about a lead: one of the reports, told apart by `type`. No CloudEvents headers "
        "are needed.",
        AnyReport,
        action="receive",
    ),
    Channel(
        "deadLetters",
        "What could not be processed, byte for byte, with the reason. Headers of the original record follow. A record "
        "whose first header is `tasuki_retried` is none: it says of an earlier one that it was sent again.",
        None,
        content_type="application/octet-stream",
        headers="DeadLetter",
    ),
)


def document(topics: Topics, playbook: Playbook) -> dict[str, Any]:
    """The document, ready for YAML. `playbook` names the departments."""
    payloads = [channel.payload for channel in CHANNELS if channel.payload]
    told, schemas = msgspec.json.schema_components([*payloads, ReportedMessage], ref_template=COMPONENTS)
    described = {id(payload): _plain(schema) for payload, schema in zip(payloads, told, strict=False)}
    departments = list(playbook.departments)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tasuki",
            "version": "1",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"kafka": {"host": "localhost:9092", "protocol": "kafka"}},
        "channels": {channel.name: _channel(channel, topics, departments) for channel in CHANNELS},
        "operations": {
            f"{channel.action}{channel.name[0].upper()}{channel.name[1:]}": {
                "action": channel.action,
                "channel": {"$ref": f"#/channels/{channel.name}"},
            }
            for channel in CHANNELS
        },
        "components": {
            "messages": {channel.name: _message(channel, described.get(id(channel.payload))) for channel in CHANNELS},
            "schemas": {**_HEADERS, **_plain(dict(sorted(schemas.items())))},
        },
    }


def _plain(schema: Any) -> Any:
    """Without OpenAPI's discriminators: AsyncAPI's are names of schemas, and what tells ours apart is a constant."""
    if isinstance(schema, dict):
        return {name: _plain(part) for name, part in schema.items() if name != "discriminator"}
    return [_plain(part) for part in schema] if isinstance(schema, list) else schema


def document_text(topics: Topics, playbook: Playbook) -> str:
    """The document as YAML."""
    text: str = yaml.dump(document(topics, playbook), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=118)
    return text


class _Plain(yaml.SafeDumper):
    """Without anchors, which no reader of such documents expects."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _channel(channel: Channel, topics: Topics, departments: list[str]) -> dict[str, Any]:
    addresses = {"handoffs": topics.handoffs("{department}"), "deadLetters": topics.dead_letters}
    described: dict[str, Any] = {
        "address": addresses.get(channel.name, topics.prefix + channel.name),
        "description": channel.description,
        "messages": {channel.name: {"$ref": f"#/components/messages/{channel.name}"}},
    }
    if channel.name == "handoffs":
        told = "a department of the playbook; shown are those of the default playbook"
        described["parameters"] = {"department": {"description": told, "enum": departments}}
    return described


def _message(channel: Channel, payload: Any) -> dict[str, Any]:
    described: dict[str, Any] = {"name": channel.name, "contentType": channel.content_type}
    if channel.types:
        # The types narrow what is said of all CloudEvents.
        types = {"ce_type": {"type": "string", "enum": list(channel.types)}}
        described["headers"] = {
            "allOf": [
                {"$ref": COMPONENTS.format(name="CloudEvent")},
                {"type": "object", "properties": types},
            ]
        }
    elif channel.headers:
        described["headers"] = {"$ref": COMPONENTS.format(name=channel.headers)}
    if channel.name == "handoffs":  # with what was reported about a lead that a department has passed on
        described["payload"] = {"oneOf": [payload, {"$ref": COMPONENTS.format(name=ReportedMessage.__name__)}]}
    elif payload:
        described["payload"] = payload
    if channel.name != "deadLetters":
        key = "the routing identity" if channel.name == "events" else "the lead id"
        described["bindings"] = {"kafka": {"key": {"type": "string", "description": key}}}
    return described


def _text(description: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, **more}


_HEADERS: dict[str, Any] = {
    "CloudEvent": {
        "type": "object",
        "description": "CloudEvents 1.0, Kafka binary mode",
        "required": ["ce_specversion", "ce_id", "ce_type", "ce_source", "ce_subject", "ce_time", "content-type"],
        "properties": {
            "ce_specversion": _text("of CloudEvents", const="1.0"),
            "ce_id": _text("the same whenever this message is repeated", minLength=1),
            "ce_type": _text("what happened"),
            "ce_source": _text("which service says so", minLength=1),
            "ce_subject": _text("the lead id", minLength=1),
            "ce_time": _text("when it happened, in UTC", format="date-time"),
            "content-type": _text("of the value", const="application/json"),
        },
    },
    "DeadLetter": {
        "type": "object",
        "oneOf": [
            {"required": ["tasuki_reason", "tasuki_service", "tasuki_origin", "tasuki_time"]},
            {"required": ["tasuki_retried", "tasuki_time"]},
        ],
        "properties": {
            "tasuki_reason": _text("why it could not be processed"),
            "tasuki_service": _text("who could not: ingest, scorer or router"),
            "tasuki_origin": _text(
                "where it came from: topic/partition/offset (topic/-1/-1: that topic never took it), or http:<source>"
            ),
            "tasuki_time": _text("when", format="date-time"),
            "tasuki_retried": _text("partition/offset of the record that was sent again"),
        },
    },
}
