"""What a browser loads before it sends: answers, addresses, caching. (With the SDKs: tests/integration/clients.)"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.ingest.browser.script import Script
from shared.keys import write_keys_from
from tests.ingest_app import ScriptedPublisher, client_of

PACKAGES = [
    Path(__file__).parents[3] / place / "package.json"
    for place in ("deploy/analytics-js", "tests/integration/clients/node")
]
SCRIPT = "/analytics.js/v1/key/analytics.min.js"

Browse = Callable[..., httpx.AsyncClient]


@pytest.fixture
def script_dir(tmp_path: Path) -> Path:
    (tmp_path / "standalone.js").write_text('load("__WRITE_KEY__")')
    (tmp_path / "ajs-destination.bundle.0a1b.js").write_text("/* part */")
    return tmp_path


@pytest.fixture
def browse(script_dir: Path) -> Browse:
    def opened(**more: Any) -> httpx.AsyncClient:
        keys = write_keys_from("key=website,it's=website")
        return client_of(ScriptedPublisher(), keys, "http://ingest:8080", **({"script_dir": script_dir} | more))

    return opened


@pytest.mark.parametrize(
    ("headers", "public_url", "protocol", "host"),
    [
        ({}, None, "http", "ingest:8080/v1"),
        ({"X-Forwarded-Proto": "https", "Host": "events.example.co.jp"}, None, "https", "events.example.co.jp/v1"),
        ({"X-Forwarded-Proto": "https, http"}, None, "https", "ingest:8080/v1"),
        ({"X-Forwarded-Proto": "javascript"}, None, "http", "ingest:8080/v1"),
        ({}, "https://www.example.co.jp/events", "https", "www.example.co.jp/events/v1"),
    ],
)
async def test_analytics_js_is_told_to_send_to_where_the_browser_asked(
    browse: Browse, headers: dict[str, str], public_url: str | None, protocol: str, host: str
) -> None:
    answer = await browse(public_url=public_url).get("/v1/projects/key/settings", headers=headers)
    assert answer.status_code == 200
    assert list(answer.json()["integrations"]) == ["Segment.io"]
    told = answer.json()["integrations"]["Segment.io"]
    assert (told["apiKey"], told["protocol"], told["apiHost"]) == ("key", protocol, host)
    assert answer.headers["cache-control"] == "private, max-age=60"


@pytest.mark.parametrize("path", ["/sourceConfig", "/sourceConfig/"])
async def test_rudderstacks_sdk_is_told_the_source_of_its_key(browse: Browse, path: str) -> None:
    browser = browse()
    for answer in (
        await browser.get(path, params={"writeKey": "key", "p": "npm", "v": "3.0.0"}),
        await browser.get(path, auth=("key", "")),
    ):
        assert answer.status_code == 200
        assert (answer.json()["source"]["name"], answer.json()["source"]["writeKey"]) == ("website", "key")
        assert answer.json()["dataPlaneUrl"] == "http://ingest:8080"


@pytest.mark.parametrize(
    "path",
    ["/v1/projects/other/settings", "/sourceConfig/?writeKey=other", "/sourceConfig/", SCRIPT.replace("key", "x")],
)
async def test_nobody_loads_anything_with_an_unknown_key(browse: Browse, path: str) -> None:
    answer = await browse().get(path, headers={"Origin": "https://shop.example.jp"})
    assert (answer.status_code, answer.json()["code"]) == (401, "unknown_write_key")
    assert answer.headers["access-control-allow-origin"] == "https://shop.example.jp"


@pytest.mark.parametrize("encoding", ["gzip, deflate, br", "identity"])
async def test_the_script_knows_its_key_and_where_it_came_from(browse: Browse, encoding: str) -> None:
    answer = await browse().get(SCRIPT, headers={"Accept-Encoding": encoding})
    assert answer.status_code == 200
    assert ("content-encoding" in answer.headers) is encoding.startswith("gzip")
    assert answer.text.endswith('load("key")')
    assert "document.currentScript" in answer.text
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["vary"] == "Accept-Encoding"


async def test_a_key_never_ends_the_string_in_which_it_stands(browse: Browse) -> None:
    answer = await browse().get("/analytics.js/v1/it's/analytics.min.js")
    assert answer.status_code == 401


async def test_parts_of_the_script_are_kept_for_a_year(browse: Browse) -> None:
    browser = browse()
    answer = await browser.get("/analytics-next/bundles/ajs-destination.bundle.0a1b.js")
    assert (answer.status_code, answer.text) == (200, "/* part */")
    assert "immutable" in answer.headers["cache-control"]
    assert (await browser.get("/analytics-next/bundles/../../etc/passwd")).status_code == 404


async def test_where_the_script_is_not_installed_the_answer_says_how(browse: Browse) -> None:
    answer = await browse(script_dir=None).get(SCRIPT)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_installed")
    assert "TASUKI_ANALYTICS_JS" in answer.json()["message"]


def test_another_package_is_no_analytics_js(tmp_path: Path) -> None:
    (tmp_path / "standalone.js").write_text("alert(1)")
    with pytest.raises(ValueError, match="@segment/analytics-next"):
        Script(tmp_path)


def test_what_is_tested_is_what_is_installed() -> None:
    versions = {json.loads(path.read_text())["dependencies"]["@segment/analytics-next"] for path in PACKAGES}
    assert len(versions) == 1
