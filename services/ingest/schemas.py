"""What Segment's clients send, as far as it is read; unknown fields are ignored. OpenAPI shows the same."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Raw, Struct, field

from shared.events import Kind

# The paths of analytics.js in a browser: /v1/t …
SHORT_PATHS = {
    Kind.TRACK: "t",
    Kind.IDENTIFY: "i",
    Kind.PAGE: "p",
    Kind.SCREEN: "s",
    Kind.GROUP: "g",
    Kind.ALIAS: "a",
}
BATCH_PATHS = ("/v1/batch", "/v1/b", "/beacon/v1/batch")
"""The last one is RudderStack's, for what a page has left when it is closed."""
WEBHOOK_PATH = "/v1/webhooks/{name}"
CLOUDEVENTS_PATH = "/v1/events"
MAX_BATCH_EVENTS = 5_000
Identifier = str | int | float | None  # senders use numbers as ids; they are turned into text


class Keyed(Struct, rename="camel"):
    """What is read of a single event before it is known who sends it."""

    write_key: str | None = None


class MessageId(Struct, rename="camel"):
    """What is read of an event that cannot be accepted."""

    message_id: Identifier = None


class Call(Struct, rename="camel"):
    """One event."""

    type: Annotated[str | None, Meta(description="in a batch: track, identify, page, screen, group or alias")] = None
    message_id: Annotated[
        Identifier, Meta(description="unique per source; copies count once. Assigned when missing")
    ] = None
    user_id: Annotated[Identifier, Meta(description="known person; this or anonymousId is needed")] = None
    anonymous_id: Annotated[Identifier, Meta(description="unknown visitor; this or userId is needed")] = None
    group_id: Annotated[Identifier, Meta(description="company of the person; needed for group")] = None
    previous_id: Annotated[Identifier, Meta(description="alias: the id until now")] = None
    event: Annotated[str | None, Meta(description="track: what happened")] = None
    name: Annotated[str | None, Meta(description="page, screen: its name")] = None
    category: Annotated[str | None, Meta(description="page, screen: its category")] = None
    timestamp: Annotated[str | None, Meta(description="ISO 8601: when it happened, by the sender's clock")] = None
    original_timestamp: Annotated[str | None, Meta(description="comes before timestamp")] = None
    sent_at: Annotated[
        str | None, Meta(description="ISO 8601: when it was sent, by the sender's clock; corrects that clock")
    ] = None
    properties: Annotated[dict[str, Any] | None, Meta(description="about the event")] = None
    traits: Annotated[dict[str, Any] | None, Meta(description="about the person; group: the company")] = None
    context: Annotated[
        dict[str, Any] | None, Meta(description="page, campaign, userAgent, ip, library, locale, traits, historical …")
    ] = None
    historical: Annotated[
        bool | None, Meta(description="imported: moves scores and stages, but offers nothing and starts no deadline")
    ] = None


class Batch(Struct, rename="camel"):
    """Several events, in their order."""

    batch: Annotated[list[Raw], Meta(description="events, each with its type", max_length=MAX_BATCH_EVENTS)]
    write_key: Annotated[str | None, Meta(description="unless it is the Basic user name")] = None
    sent_at: Annotated[str | None, Meta(description="for events without their own")] = None
    context: Annotated[dict[str, Any] | None, Meta(description="merged under each event's own")] = None


class CloudEvent(Struct):
    """A CloudEvent 1.0 in JSON, with the extensions that say whose it is."""

    specversion: Annotated[str, Meta(description="1.0; needed, as id, source and type are")] = ""
    id: Annotated[str, Meta(description="unique within its source")] = ""
    source: Annotated[str, Meta(description="URI reference of where it happened")] = ""
    type: Annotated[
        str, Meta(description="a call (track, identify …), which its data then is; or the name of what happened")
    ] = ""
    subject: Annotated[str | None, Meta(description="known person, unless userid or the data say so")] = None
    time: Annotated[str | None, Meta(description="RFC 3339: when it happened")] = None
    datacontenttype: Annotated[str | None, Meta(description="application/json")] = None
    userid: Annotated[str | None, Meta(description="extension: known person")] = None
    anonymousid: Annotated[str | None, Meta(description="extension: unknown visitor")] = None
    data: Annotated[Raw, Meta(description="about the event")] = field(default_factory=Raw)
    data_base64: Annotated[str | None, Meta(description="the data, where it is not written as JSON")] = None
