"""The AsyncAPI document: valid by the official schema, complete, and true of the messages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from services.router.interest import TYPES
from services.router.message_schemas import ASYNCAPI, DIRECTORY, FILES, asyncapi_text
from shared import cloudevents
from shared.events import Event, Kind, encode_event
from shared.playbook import load_playbook
from shared.scores import CLOUD_EVENT_TYPE, encode_score
from shared.topics import Topics
from tests.described import document, refuse_undescribed
from tests.score_records import MONDAY, Story

OFFICIAL = json.loads((Path(__file__).parents[2] / "data" / "asyncapi-3.0.0.json").read_text("utf-8"))


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from ([part["$ref"]] if "$ref" in part else [])
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else []:
        yield from references(inner)


def found(reference: str) -> Any:
    place: Any = document()
    for name in reference.removeprefix("#/").split("/"):
        place = place[name]
    return place


def test_the_document_beside_the_project_is_that_of_the_code() -> None:
    written = (DIRECTORY / ASYNCAPI).read_text("utf-8")
    assert written == asyncapi_text(), "run `python -m services.router.message_schemas`"


def test_the_document_is_valid_by_the_official_schema() -> None:
    jsonschema.Draft7Validator(OFFICIAL).validate(document())


def test_the_official_schema_refuses_what_is_wrong() -> None:
    wrong = document() | {"operations": {"sendStages": {"action": "publish", "channel": {"$ref": "#/channels/stages"}}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(OFFICIAL).validate(wrong)


def test_every_reference_leads_somewhere() -> None:
    for reference in set(references(document())):
        assert found(reference), reference


def test_the_topics_of_an_installation_are_its_channels() -> None:
    topics, departments = Topics(), list(load_playbook().departments)
    channels = {channel["address"] for channel in document()["channels"].values()} - {topics.handoffs("{department}")}
    channels |= {
        topics.handoffs(name) for name in document()["channels"]["handoffs"]["parameters"]["department"]["enum"]
    }
    assert channels == {spec.name for spec in topics.specs(departments, 1)} - {topics.scorer_state, topics.playbooks}


@pytest.mark.parametrize("name", sorted(FILES))
def test_what_is_described_is_what_the_schema_files_describe(name: str) -> None:
    """The same properties, whichever file one reads."""
    schema = json.loads((DIRECTORY / name).read_text("utf-8"))
    types = [one["$ref"].rpartition("/")[2] for one in schema.get("anyOf", [schema])]
    for type in types:
        assert schema["$defs"][type]["properties"].keys() == found(f"#/components/schemas/{type}")["properties"].keys()


@pytest.mark.parametrize("schema", ["draft7", "2020-12"])
def test_the_schemas_are_schemas(schema: str) -> None:
    validator = {"draft7": jsonschema.Draft7Validator, "2020-12": jsonschema.Draft202012Validator}[schema]
    for described in document()["components"]["schemas"].values():
        validator.check_schema(described)


def test_subscribers_may_name_every_type_that_there_is() -> None:
    told = {name: document()["components"]["messages"][name]["headers"] for name in ("stages", "handoffs", "alerts")}
    types = [type for part in told.values() for type in part["allOf"][1]["properties"]["ce_type"]["enum"]]
    assert sorted(types) == sorted(TYPES)


def test_scores_and_events_are_as_described() -> None:
    story = Story("l")
    record = story.record("contact_obtained", total=3.5, level=2, attributes={"company.employees": 300})
    headers = cloudevents.headers(
        id=record.id, type=CLOUD_EVENT_TYPE, source="tasuki/scorer", subject="l", time=record.time
    )
    refuse_undescribed("scores", {name: value.decode() for name, value in headers}, encode_score(record))
    event = Event(kind=Kind.TRACK, id="1", source="web", key="l", time=MONDAY, received_at=MONDAY, name="Page")
    refuse_undescribed("events", {}, encode_event(event))
    with pytest.raises(jsonschema.ValidationError):
        refuse_undescribed("events", {}, b'{"id": "1"}')


def test_a_message_of_an_unknown_type_is_not_as_described() -> None:
    topic, headers, value = "stages", {"ce_type": "tasuki.stage.forgotten"}, b"{}"
    with pytest.raises(jsonschema.ValidationError):
        refuse_undescribed(topic, headers, value)
