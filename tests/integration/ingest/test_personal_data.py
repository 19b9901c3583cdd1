"""Nothing of what is sent gets into the log, whatever becomes of it."""

from __future__ import annotations

from pathlib import Path

from shared.parts import Parts
from tests.integration.ingest.conftest import make_topics, running

SECRET = "wk_verysecret"
PERSON = {"email": "taro.yamada@example.co.jp", "name": "山田太郎", "phone": "03-1234-5678"}
MARKS = ("taro.yamada", "山田太郎", "03-1234-5678", SECRET)


def test_the_log_names_nobody(parts: Parts, tmp_path: Path) -> None:
    call = {"event": "x", "userId": PERSON["email"], "traits": PERSON, "properties": PERSON, "context": PERSON}
    key = {"writeKey": SECRET}
    log = tmp_path / "log"
    with running(parts, make_topics(parts), log, WRITE_KEYS=f"{SECRET}=website", LOG_LEVEL="DEBUG") as ingest:
        http = ingest.http
        http.auth = None  # the key is in the address, where an access log would have it
        answers = [
            http.post("/v1/track", json=call, params=key),
            http.post("/v1/track", json=call | {"timestamp": PERSON["phone"]}, params=key),
            http.post("/v1/batch", json={"batch": [call, PERSON, PERSON["name"]]}, params=key),
            http.post("/v1/track", content=repr(call).encode(), params=key),
            http.post(f"/v1/track/{PERSON['email']}", json=call, params=key),
            http.post("/v1/webhooks/form", data=PERSON, params=key),
            http.post("/v1/webhooks/form", content=b"\xff" + PERSON["email"].encode(), params=key),
            http.post("/v1/events", json=call, params=key, headers={"ce-id": PERSON["phone"]}),
            http.get(f"/v1/projects/{SECRET}/settings"),
            http.get(f"/v1/projects/{PERSON['email']}/settings"),
            http.get("/sourceConfig/", params=key),
        ]
        assert {answer.status_code for answer in answers} == {200, 400, 401, 404}
        assert len(ingest.events()) > 0
        assert len(ingest.dead_letters()) > 0
    written = log.read_text()
    assert "Finished server process" in written
    assert [mark for mark in MARKS if mark in written] == []
