"""Mappings: what they make of an event, and errors that name file, line and what was expected."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.ingest.errors import Refused
from services.ingest.reading.model import Arrival, Parsed
from services.ingest.reading.parse import parse, set_aside
from services.ingest.records import records_of
from services.ingest.schemas import MAX_BATCH_EVENTS
from services.ingest.webhooks.forms import read_form
from services.ingest.webhooks.loading import load_webhooks
from services.ingest.webhooks.mapping import Mapping
from services.ingest.webhooks.paths import find, parse_path
from services.ingest.webhooks.reading import read_webhook
from shared.events import Event
from shared.settings import ConfigurationError
from shared.topics import Topics
from shared.yaml_model import parse_yaml

RECEIVED = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
ARRIVAL = Arrival("tool", RECEIVED, "/v1/webhooks/mine", lambda: "assigned")
TRACK = {"email": "email", "name": "Visited"}


def mapping(call: dict[str, Any] | None = None, **more: Any) -> Mapping:
    return parse_yaml(Mapping, yaml.safe_dump({"calls": [{**TRACK, **(call or {})}]} | more), "mine.yaml")


def read(told: object, meaning: Mapping, content_type: str = "") -> Parsed:
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    return parse(read_webhook(body, content_type, meaning, "mine"), ARRIVAL)


def event(told: dict[str, Any], **call: Any) -> Event:
    parsed = read({"email": "a@example.jp"} | told, mapping(call))
    assert parsed.rejected == []
    (one,) = parsed.accepted
    return one


def refused(told: dict[str, Any], **call: Any) -> str:
    (rejection,) = read({"email": "a@example.jp"} | told, mapping(call)).rejected
    return rejection.code


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (".", {"a": [{"b": 1}], "x-y": 2, "0": 3}),
        ("a[0].b", 1),
        ("a[1].b", None),
        ("a.b", None),
        ("x-y", 2),
        ("0", 3),
        ("x-y.z", None),
    ],
)
def test_paths(path: str, value: object) -> None:
    assert find({"a": [{"b": 1}], "x-y": 2, "0": 3}, parse_path(path)) == value


def test_yaml_reads_some_words_as_booleans(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("calls: [{email: no, name: x}]")
    with pytest.raises(ConfigurationError, match="put them in quotes"):
        load_webhooks(tmp_path, {})


@pytest.mark.parametrize("path", ["", "a.", ".a", "a..b", "a[x]", "a[-1]", "[0]", "a[0", "a[0]b", 7, None, {}, []])
def test_what_is_no_path(path: object) -> None:
    with pytest.raises(ValueError, match="expected one such as"):
        parse_path(path)


@pytest.mark.parametrize(
    ("told", "how"),
    [
        ("2026-11-21T09:00:00Z", {}),
        ("2026-11-21T18:00:00.000+09:00", {}),
        ("2026-11-21 18:00:00", {"time_zone": "Asia/Tokyo"}),
        ("2026-11-21T18:00:00+09:00", {"time_zone": "America/New_York"}),
        ("2026/11/21 18:00", {"format": "%Y/%m/%d %H:%M", "time_zone": "Asia/Tokyo"}),
        ("21.11.26 09:00 +0000", {"format": "%d.%m.%y %H:%M %z", "time_zone": "Asia/Tokyo"}),
        (1795251600, {"as": "unix"}),
        ("1795251600", {"as": "unix"}),
        (1795251600000, {"as": "unix_ms"}),
    ],
)
def test_times(told: object, how: dict[str, str]) -> None:
    assert event({"at": told}, time={"path": "at"} | how).time == datetime(2026, 11, 21, 9, tzinfo=UTC)


@pytest.mark.parametrize("how", [{}, {"as": "unix"}, {"as": "unix_ms"}, {"format": "%Y"}])
def test_a_time_that_is_none(how: dict[str, str]) -> None:
    for told in ("soon", 1e300, -1e300, True, "nan", "9" * 400):
        assert refused({"at": told}, time={"path": "at"} | how) == "invalid_time"
    assert refused({"at": {"a": 1}}, time={"path": "at"} | how) == "malformed_event"
    assert event({}, time={"path": "at"} | how).time == RECEIVED


def test_names() -> None:
    name = {"path": "kind", "names": {"opened": "Email Opened", "queued": None, "true": "Yes"}, "default": "Something"}
    assert event({"kind": "opened"}, name=name).name == "Email Opened"
    assert event({"kind": "other"}, name=name).name == "other"
    assert event({"kind": True}, name=name).name == "Yes"
    assert event({"kind": ""}, name=name).name == "Something"
    assert read({"email": "a@example.jp", "kind": "queued"}, mapping({"name": name})) == Parsed([], [], [])
    assert refused({}, name={"path": "kind"}) == "missing_event_name"
    assert refused({"kind": ["opened"]}, name=name) == "malformed_event"


def test_whose_it_is() -> None:
    ids = {"userId": ["u", "v"], "anonymousId": "a", "externalIds": {"mytool": "t"}}
    assert event({"v": 7}, **ids).user_id == "7"
    assert event({"a": "x"}, **ids).anonymous_id == "x"
    assert event({"t": 9}, **ids).key == "ext:mytool:9"
    assert event({}, **ids).key.startswith("email:")
    assert refused({"email": "nobody"}) == "missing_identity"
    assert refused({"email": ["a@example.jp"]}) == "invalid_id"


def test_properties_traits_and_context() -> None:
    values = {
        "url": "link.href",
        "via": {"value": "mytool"},
        "hot": {"path": "hot", "as": "boolean"},
        "none": "nowhere",
    }
    told = {"link": {"href": "/x"}, "hot": "いいえ", "agent": "Mozilla", "size": 0}
    one = event(told, properties=values, traits={"size": "size"}, context={"userAgent": "agent", "ip": "ip"})
    assert one.properties == {"url": "/x", "via": "mytool", "hot": False}
    assert one.traits == {"size": 0, "email": "a@example.jp"}
    assert one.context == {"userAgent": "Mozilla"}
    everything = event({"writeKey": "secret", "a": {"b": 1}}, all_properties=".", leave_out=["email"])
    assert everything.properties == {"a": {"b": 1}}


def test_only_what_the_mapping_asks_for() -> None:
    meaning = mapping({"when": {"kind": ["a", 1, True]}})
    kinds = ("a", "1", True, "b", None)
    taken = [kind for kind in kinds if read({"email": "a@x.jp", "kind": kind}, meaning).accepted]
    assert taken == ["a", "1", True]


def test_ids() -> None:
    assert event({"n": 7, "m": "x"}, id=["n", "m"]).id == "mine 7-x"
    assert event({"n": "x" * 300}, id="n").id == event({"n": "x" * 300}, id="n").id
    assert len(event({"n": "x" * 300}, id="n").id) < 60
    without = {event({"n": n}).id for n in (1, 1, 2)}
    assert len(without) == 2
    both = mapping(calls=[TRACK, {**TRACK, "type": "identify", "name": None}])
    assert len({one.id for one in read({"email": "a@example.jp"}, both).accepted}) == 2


def test_events_may_lie_deeper() -> None:
    meaning = mapping(events="data.events")
    body = b'{ "data": {"events": [ {"email": "a@example.jp"}, {"email":\t"nobody"} ]}, "writeKey": "k" }'
    envelope = read_webhook(body, "", meaning, "mine")
    parsed = parse(envelope, ARRIVAL)
    assert (envelope.is_batch, len(parsed.accepted)) == (True, 1)
    assert [(one.index, one.raw) for one in parsed.rejected] == [(1, b'{"email":\t"nobody"}')]
    assert len(read({"data": {"events": {"email": "a@example.jp"}}}, meaning).accepted) == 1
    assert read_webhook(b'{"writeKey": "k"}', "", mapping(), "mine").write_key == "k"
    for told in ({}, {"data": 1}, [], 7):
        with pytest.raises(Refused, match=r"data|Expected"):
            read(told, meaning)


def test_too_many_events_are_refused() -> None:
    with pytest.raises(Refused) as error:
        read(b"[" + b",".join([b"{}"] * (MAX_BATCH_EVENTS + 1)) + b"]", mapping())
    assert error.value.code == "too_many_events"


def test_an_event_is_accepted_with_all_its_calls_or_put_aside_once() -> None:
    calls = [{"type": "identify", "email": "email"}, {**TRACK, "time": "at"}]
    good, bad = {"email": "a@example.jp"}, {"email": "b@example.jp", "at": "soon"}
    raw = json.dumps([bad, good, good | {"n": 1}]).encode()
    envelope = read_webhook(raw, "", mapping(calls=calls), "mine")
    parsed = parse(envelope, ARRIVAL)
    assert [one.kind for one in parsed.accepted] == ["identify", "track"] * 2
    assert [(one.index, json.loads(one.raw)) for one in parsed.rejected] == [(0, bad)]
    # Kafka finds one of the last event's calls too large.
    kept, late = set_aside(parsed, [2, 3], envelope)
    assert [one.index for one in late] == [2]
    assert ([one.index for one in kept.rejected], len(kept.accepted), kept.indices) == ([0, 2], 2, [1, 1])


MULTIPART = (
    b'--XX\r\nContent-Disposition: form-data; name="email"\r\n\r\na@example.jp\r\n'
    b'--XX\r\nContent-Disposition: form-data; name="\xe5\x90\x8d\xe5\x89\x8d"\r\n\r\n\xe5\xa4\xaa\xe9\x83\x8e\r\n'
    b'--XX\r\nContent-Disposition: form-data; name="card"; filename="card.png"\r\n'
    b"Content-Type: image/png\r\n\r\n\x89PNG\r\n"
    b"--XX--\r\n"
)


def test_forms() -> None:
    assert read_form(b"a=1&b=x+y&b=%E5%A4%AA&c=", "") == {"a": "1", "b": ["x y", "太"], "c": ""}
    assert read_form(MULTIPART, "multipart/form-data; boundary=XX") == {"email": "a@example.jp", "名前": "太郎"}
    nested = b"d[m][E]=1&d%5Bm%5D%5BF%5D=2&l[]=x&l[]=y&d=lost&e=3&e[f]=4&g[=5&[h]=6&i[0][n]=7"
    assert read_form(nested, "application/x-www-form-urlencoded") == {
        "d": {"m": {"E": "1", "F": "2"}},
        "l": ["x", "y"],
        "e": "3",
        "e[f]": "4",
        "g[": "5",
        "[h]": "6",
        "i": {"0": {"n": "7"}},
    }


@pytest.mark.parametrize(
    ("body", "content_type", "why"),
    [
        (b"name=%8C%A9", "", "accept-charset"),
        (b"name=\x8c\xa9", "", "accept-charset"),
        (MULTIPART[:-9], "multipart/form-data; boundary=XX", "no multipart/form-data"),
        (MULTIPART, "multipart/form-data", "no multipart/form-data"),
        (MULTIPART.replace(b"\xe5\xa4\xaa", b"\x8c"), "multipart/form-data; boundary=XX", "accept-charset"),
        (b"&".join(b"a=1" for _ in range(501)), "", "fields"),
    ],
)
def test_a_form_that_cannot_be_read_is_kept_as_it_came(body: bytes, content_type: str, why: str) -> None:
    envelope = read_webhook(body, content_type, mapping(body="form"), "mine")
    parsed = parse(envelope, ARRIVAL)
    assert [one.code for one in parsed.rejected] == ["malformed_event"]
    assert why in parsed.rejected[0].message
    (record,) = records_of(parsed, envelope, ARRIVAL, Topics())
    assert (record.value, dict(record.headers)["http_content-type"]) == (body, content_type.encode())


BROKEN = """body: form
events: data
calls:
  - type: track
    email: a..b
    name: x
    time: {path: at, time_zone: Mars/Base}
  - type: identify
    email: email
    nmae: y
"""


def test_every_problem_of_every_file_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text(BROKEN)
    (tmp_path / "hubspot.yaml").write_text("calls: [")
    (tmp_path / "My Tool.yaml").write_text("calls: []")
    (tmp_path / "latin.yaml").write_bytes(b"# \xe9")
    signed = "calls: [{email: email, name: x}]\nsignature: {scheme: %s, secret_env: TASUKI_WEBHOOK_SECRET_MINE%s}\n"
    (tmp_path / "mine.yaml").write_text(signed % ("hmac", ", header: X-Sig"))
    (tmp_path / "sendgrid.yaml").write_text(signed % ("sendgrid", "_TOO"))
    (tmp_path / "fine.yaml").write_text("calls: [{email: email, name: x}]")
    with pytest.raises(ConfigurationError) as error:
        load_webhooks(tmp_path, {"TASUKI_WEBHOOK_SECRET_MINE_TOO": "no-key"})
    message = str(error.value)
    for problem in (
        "broken.yaml:5: calls.0.email: 'a..b' is no path; expected one such as email",
        "broken.yaml:7: calls.0.time.time_zone: 'Mars/Base' is no time zone",
        "broken.yaml:10: calls.1.nmae: unknown key",
        "hubspot.yaml:1: YAML: ",
        "My Tool.yaml: the name is part of an address",
        "latin.yaml: cannot be read as UTF-8 text",
        "mine.yaml: signature.secret_env: the environment has no variable TASUKI_WEBHOOK_SECRET_MINE",
        "sendgrid.yaml: signature.secret_env: TASUKI_WEBHOOK_SECRET_MINE_TOO is no public key",
    ):
        assert problem in message
    assert "no-key" not in message
    assert "fine.yaml" not in message


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("calls: []", "calls: "),
        ("body: xml\ncalls: [{email: e, name: x}]", "body: "),
        ("calls: [{name: x}]", "whose event is it?"),
        ("calls: [{email: e}]", "name: is needed for type track"),
        ("calls: [{type: identify, email: e, name: x}]", "name: is needed for type track"),
        ("calls: [{email: e, name: {names: {a: b}}}]", "name: needs a path"),
        ("calls: [{email: [], name: x}]", "expected at least one path"),
        ("calls: [{email: e, name: x, properties: {a: {path: b, value: c}}}]", "either a path or"),
        ("calls: [{email: e, name: x, leave_out: [a]}]", "leave_out"),
        ("redirect: https://x.jp\ncalls: [{email: e, name: x}]", "are for body: form"),
        ("body: form\nredirect: javascript:x\ncalls: [{email: e, name: x}]", "redirect"),
        ("body: form\nevents: a\ncalls: [{email: e, name: x}]", "a form is one event"),
        ("events: a[0]\ncalls: [{email: e, name: x}]", "without [0]"),
        ("calls: [{email: e, name: x}]\nsignature: {scheme: hmac, secret_env: TASUKI_WEBHOOK_SECRET_X}", "header"),
        ("calls: [{email: e, name: x}]\nsignature: {scheme: sendgrid, secret_env: HOME}", "TASUKI_WEBHOOK_SECRET_"),
        ("7", "mine.yaml:1: file: "),
    ],
)
def test_what_cannot_be_meant(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigurationError) as error:
        load_webhooks(tmp_path, {"TASUKI_WEBHOOK_SECRET_X": "x"})
    assert problem in str(error.value)


def test_ones_own_replaces_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "sendgrid.yaml").write_text("calls: [{email: email, name: Mine}]")
    # With a secret that would be none for the shipped one.
    webhooks = load_webhooks(tmp_path, {"TASUKI_WEBHOOK_SECRET_SENDGRID": "x", "TASUKI_WEBHOOK_SECRET_HUBSPOT": "x"})
    assert webhooks["sendgrid"].mapping.signature is None
    assert webhooks["hubspot"].verify is not None
    assert load_webhooks(None, {})["hubspot"].verify is None


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is no directory"):
        load_webhooks(tmp_path / "missing", {})


def test_what_the_documentation_shows_is_a_mapping() -> None:
    text = (Path(__file__).parents[3] / "docs/webhooks.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    meaning = parse_yaml(Mapping, example, "docs/webhooks.md")
    told = {"event_id": 7, "kind": "opened", "at": "2026/11/20 09:30", "person": {"mail": "taro@example.co.jp"}}
    (opened,) = read({"data": {"items": [told]}}, meaning).accepted[1:]
    assert (opened.name, opened.traits) == ("Email Opened", {"email": "taro@example.co.jp"})
    assert opened.time == datetime(2026, 11, 20, 0, 30, tzinfo=UTC)
    assert opened.properties == {"via": "my-tool"}
