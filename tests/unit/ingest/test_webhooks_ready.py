"""What the tools really send, read by the mappings that are shipped."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from services.ingest.reading.model import Arrival, Parsed
from services.ingest.reading.parse import parse
from services.ingest.webhooks.loading import load_webhooks
from services.ingest.webhooks.reading import read_webhook
from shared.events import Event, Kind
from shared.identity import other_identities
from shared.playbook import load_playbook

RECEIVED = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
WEBHOOKS = load_webhooks(None, {})
FORM = "application/x-www-form-urlencoded"


def read(name: str, body: bytes, content_type: str) -> Parsed:
    arrival = Arrival("ma", RECEIVED, f"/v1/webhooks/{name}", lambda: "assigned")
    return parse(read_webhook(body, content_type, WEBHOOKS[name].mapping, name), arrival)


def events(name: str, told: object) -> list[Event]:
    """All of them are accepted; a second delivery has the same ids."""
    is_form = WEBHOOKS[name].mapping.body == "form"
    assert not is_form or isinstance(told, dict)
    body = urlencode(told).encode() if is_form else json.dumps(told).encode()  # type: ignore[arg-type]
    parsed = read(name, body, FORM if is_form else "application/json")
    assert parsed.rejected == []
    ids = [event.id for event in parsed.accepted]
    assert len(set(ids)) == len(ids)
    assert [event.id for event in read(name, body, FORM if is_form else "application/json").accepted] == ids
    assert "assigned" not in ids
    return parsed.accepted


def names_of_the_playbook() -> set[str]:
    """Every event name that the default playbook asks for."""
    found: set[str] = set()

    def look(node: Any) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                if key == "event":
                    found.update([value] if isinstance(value, str) else value or [])
                look(value)
        elif isinstance(node, list | tuple):
            for one in node:
                look(one)

    look(load_playbook().model_dump())
    return found


def sendgrid(event: str, **more: Any) -> dict[str, Any]:
    common = {
        "email": "taro@example.co.jp",
        "timestamp": 1795254569,
        "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
        "category": ["newsletter"],
        "sg_event_id": f"id-{event}",
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
    }
    return {**common, "event": event, **more}


def test_sendgrid() -> None:
    told = [
        sendgrid("processed"),
        sendgrid("deferred", response="400 try again later", attempt="5"),
        sendgrid("delivered", response="250 OK"),
        sendgrid(
            "open", useragent="Mozilla/5.0 (via ggpht.com GoogleImageProxy)", ip="66.249.84.1", sg_machine_open=False
        ),
        sendgrid("click", url="https://example.co.jp/product", ip="203.0.113.7", userId="u-1"),
        sendgrid("bounce", reason="500 unknown recipient", status="5.0.0", type="bounce"),
        sendgrid("dropped", reason="Bounced Address", status="5.0.0"),
        sendgrid("spamreport"),
        sendgrid("unsubscribe"),
        sendgrid("group_unsubscribe", asm_group_id=10),
        sendgrid("group_resubscribe", asm_group_id=10),
    ]
    _, opened, clicked, bounced, *rest = accepted = events("sendgrid", told)
    assert [event.name for event in accepted] == [
        "Email Delivered",
        "Email Opened",
        "Email Link Clicked",
        "Email Bounced",
        "Email Dropped",
        "Email Marked as Spam",
        "Email Unsubscribed",
        "Email Unsubscribed",
        "Email Resubscribed",
    ]
    assert {"Email Delivered", "Email Opened", "Email Link Clicked", "Email Unsubscribed"} <= names_of_the_playbook()
    assert opened.key.startswith("email:")
    assert {event.key for event in (opened, bounced, *rest)} == {opened.key}
    assert opened.time == datetime.fromtimestamp(1795254569, UTC)
    # By these the scorer tells scanners of mails from people.
    assert (opened.properties["message_id"], opened.properties["sg_machine_open"]) == (told[3]["sg_message_id"], False)
    assert "userAgent" not in opened.context, "a mail provider's proxy would be taken for a crawler"
    assert (clicked.key, clicked.properties["url"]) == ("u-1", "https://example.co.jp/product")
    assert other_identities(clicked) == [opened.key]


def test_sendgrids_batch_goes_on_after_a_bad_event() -> None:
    bad = sendgrid("open", timestamp="soon")
    parsed = read("sendgrid", json.dumps([bad, sendgrid("click"), 7, {"event": "open"}]).encode(), "application/json")
    assert [event.name for event in parsed.accepted] == ["Email Link Clicked"]
    assert [(one.index, one.code) for one in parsed.rejected] == [
        (0, "invalid_time"),
        (2, "malformed_event"),
        (3, "missing_identity"),
    ]
    assert json.loads(parsed.rejected[0].raw) == bad


def hubspot(subscription: str, **more: Any) -> dict[str, Any]:
    common = {
        "eventId": 567890123,
        "subscriptionId": 234567,
        "portalId": 12345678,
        "appId": 987654,
        "occurredAt": 1795254569741,
        "subscriptionType": subscription,
        "attemptNumber": 0,
        "objectId": 65059681032,
        "changeSource": "CRM_UI",
        "sourceId": "userId:45678",
    }
    return common | more


def change(name: str, value: str, **more: Any) -> dict[str, Any]:
    return hubspot("contact.propertyChange", propertyName=name, propertyValue=value, **more)


def test_hubspot() -> None:
    told = [
        hubspot("contact.creation", changeFlag="CREATED"),
        change("email", "taro@example.co.jp", eventId=1),
        change("jobtitle", "情報システム部長", eventId=2),
        change("lifecyclestage", "marketingqualifiedlead", eventId=3),
        hubspot(
            "object.propertyChange", objectTypeId="0-1", propertyName="numemployees", propertyValue="500", eventId=4
        ),
        hubspot("object.creation", objectTypeId="0-2", eventId=5),
        hubspot("company.propertyChange", propertyName="name", propertyValue="見本", eventId=6),
        hubspot("deal.creation", eventId=7),
        hubspot("contact.deletion", eventId=8),
    ]
    created, email, title, stage, employees = events("hubspot", told)
    assert (created.kind, created.name, created.key) == (Kind.TRACK, "Contact Created", "ext:hubspot:65059681032")
    assert created.time == datetime(2026, 11, 21, 9, 49, 29, 741000, UTC)
    assert {event.kind for event in (email, title, stage, employees)} == {Kind.IDENTIFY}
    assert {event.key for event in (email, title, stage, employees)} == {created.key}
    assert (title.traits, employees.traits) == ({"title": "情報システム部長"}, {"employees": "500"})
    assert stage.traits == {"lifecyclestage": "marketingqualifiedlead"}
    (address,) = other_identities(email)
    assert address.startswith("email:"), "the contact is joined to the person"


def test_who_wants_no_mail_any_more_in_hubspot() -> None:
    (event,) = events("hubspot", [change("hs_email_optout", "true")])
    assert event.traits == {"unsubscribed": True}


def test_hubspots_retry_is_a_copy() -> None:
    first, again = (
        events("hubspot", [change("email", "a@example.jp")]),
        events("hubspot", [change("email", "a@example.jp", attemptNumber=3)]),
    )
    assert first[0].id == again[0].id
    assert first[0].id != events("hubspot", [change("email", "a@example.jp", occurredAt=1795254569742)])[0].id


def test_hubspots_workflow() -> None:
    everything = {
        "vid": 4711,
        "portal-id": 62515,
        "is-contact": True,
        "properties": {
            "email": {
                "value": "taro@example.co.jp",
                "versions": [{"value": "taro@example.co.jp", "source-type": "FORM"}],
            },
            "firstname": {"value": "太郎", "versions": []},
            "company": {"value": "株式会社見本", "versions": []},
            "numemployees": {"value": "1,200", "versions": []},
        },
    }
    identify, track = events("hubspot-workflow", everything)
    assert (identify.kind, identify.key) == (Kind.IDENTIFY, "ext:hubspot:4711")
    assert identify.traits == {
        "email": "taro@example.co.jp",
        "firstName": "太郎",
        "company": "株式会社見本",
        "employees": "1,200",
    }
    assert (track.name, track.key) == ("HubSpot Workflow Reached", identify.key)
    assert other_identities(track) == other_identities(identify) != []

    own = {"event": "Catalogue Requested", "email": "taro@example.co.jp", "hs_object_id": "4711", "lastname": "見本"}
    identify, track = events("hubspot-workflow", own)
    assert (identify.key, identify.traits["lastName"], track.name) == (
        "ext:hubspot:4711",
        "見本",
        "Catalogue Requested",
    )


def test_marketo() -> None:
    told = {
        "event": "Catalogue Requested",
        "leadId": 1004821,
        "email": "taro@example.co.jp",
        "firstName": "太郎",
        "lastName": "見本",
        "title": "課長",
        "company": "株式会社見本",
        "phone": "",
        "industry": None,
        "employees": "300",
        "state": "東京都",
        "unsubscribed": "0",
        "campaign": "資料請求",
        "program": "2026-Q4",
        "at": "2026-11-21 18:30:00",
    }
    identify, track = events("marketo", told)
    assert (identify.key, track.key) == ("ext:marketo:1004821", "ext:marketo:1004821")
    assert identify.traits == {
        "email": "taro@example.co.jp",
        "firstName": "太郎",
        "lastName": "見本",
        "title": "課長",
        "company": "株式会社見本",
        "employees": "300",
        "state": "東京都",
        "unsubscribed": False,
    }
    assert (track.name, track.time) == ("Catalogue Requested", RECEIVED)
    assert track.properties == {"campaign": "資料請求", "program": "2026-Q4", "at": "2026-11-21 18:30:00"}
    assert track.id != events("marketo", told | {"at": "2026-11-22 10:00:00"})[1].id


def mailchimp(type_: str, **data: str) -> dict[str, str]:
    return {"type": type_, "fired_at": "2026-11-21 09:29:30"} | {
        f"data{key if key.startswith('[') else f'[{key}]'}": value for key, value in data.items()
    }


def test_mailchimp() -> None:
    merges = {"[merges][EMAIL]": "taro@example.co.jp", "[merges][FNAME]": "太郎", "[merges][LNAME]": "見本"}
    common = {"id": "8a25ff1d98", "list_id": "a6b5da1054", "email": "taro@example.co.jp", "email_type": "html"}
    identify, joined = events("mailchimp", mailchimp("subscribe", **common, **merges, ip_opt="10.20.10.30"))
    assert identify.traits == {"email": "taro@example.co.jp", "firstName": "太郎", "lastName": "見本"}
    assert (joined.name, joined.key) == ("Newsletter Joined", identify.key)
    assert joined.time == datetime(2026, 11, 21, 9, 29, 30, tzinfo=UTC)

    left = {**common, "action": "unsub", "reason": "manual", "campaign_id": "cb398d21d2"}
    (unsubscribed,) = events("mailchimp", mailchimp("unsubscribe", **left, **merges))
    assert (unsubscribed.name, unsubscribed.key) == ("Email Unsubscribed", identify.key)
    assert unsubscribed.properties["campaign_id"] == "cb398d21d2"
    assert {joined.name, unsubscribed.name} <= names_of_the_playbook()

    (profile,) = events("mailchimp", mailchimp("profile", **common, **merges))
    assert (profile.kind, profile.key) == (Kind.IDENTIFY, identify.key)
    cleaned = mailchimp("cleaned", list_id="a6b5da1054", campaign_id="4fjk2ma9xd", reason="hard", email=common["email"])
    assert [event.name for event in events("mailchimp", cleaned)] == ["Email Bounced"]
    moved = mailchimp(
        "upemail", list_id="a6b5da1054", new_id="51da8c3259", new_email="new@example.jp", old_email=common["email"]
    )
    (both,) = events("mailchimp", moved)
    assert both.key == identify.key
    assert other_identities(both) == [events("mailchimp", mailchimp("profile", email="new@example.jp"))[0].key]
    sent = mailchimp(
        "campaign", id="5aa2102003", subject="Test Campaign", status="sent", reason="", list_id="a6b5da1054"
    )
    assert events("mailchimp", sent) == []
    assert read("mailchimp", b"", "").accepted == []


FILLED_IN = {
    "email": " taro@example.co.jp ",
    "name": "見本太郎",
    "company": "株式会社見本",
    "employees": "300名",
    "phone": "",
    "anonymousId": "a-1",
    "event": "Inquiry Submitted",
    "message": "価格を知りたい",
    "contact_requested": "on",
    "_gotcha": "",
}


def test_a_form() -> None:
    identify, track = events("form", FILLED_IN)
    assert identify.kind is Kind.IDENTIFY
    assert identify.traits == {
        "email": "taro@example.co.jp",
        "name": "見本太郎",
        "company": "株式会社見本",
        "employees": "300名",
    }
    assert (identify.anonymous_id, track.anonymous_id) == ("a-1", "a-1")
    assert (track.name, track.traits) == ("Inquiry Submitted", {"email": "taro@example.co.jp"})
    assert track.properties == {"message": "価格を知りたい", "contact_requested": True}
    assert other_identities(track) == other_identities(identify) != []


def test_a_form_without_an_event_registers_somebody() -> None:
    _, track = events("form", {"email": "taro@example.co.jp", "writeKey": "wk"})
    assert (track.name, track.properties) == ("Lead Acquired", {})
    assert {"Lead Acquired", "Inquiry Submitted"} <= names_of_the_playbook()


def test_a_program_fills_in_what_people_do_not_see() -> None:
    assert events("form", FILLED_IN | {"_gotcha": "http://spam.example"}) == []


@pytest.mark.parametrize("name", sorted(WEBHOOKS))
def test_nobody_is_made_up(name: str) -> None:
    """Of a body that tells of nobody no event is accepted."""
    for body, content_type in ((b"{}", "application/json"), (b"[{}]", "application/json"), (b"a=b", FORM)):
        if (content_type == FORM) == (WEBHOOKS[name].mapping.body == "form"):
            assert read(name, body, content_type).accepted == []
