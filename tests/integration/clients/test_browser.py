"""The SDKs of websites in a real browser, on a website of another origin."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from shared.events import Event, Kind
from tests.integration.clients.conftest import LIMITED_KEY, WRITE_KEY, Limit, address, events_of
from tests.integration.ingest.conftest import Ingest

WEBSITE = Path(__file__).parent / "website"
RUDDERSTACK = "node_modules/@rudderstack/analytics-js/dist/npm/modern/bundled/umd/index.js"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

Open = Callable[[str], Page]


@pytest.fixture(scope="session")
def website(ingest: Ingest, node_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address."""
    directory = tmp_path_factory.mktemp("website")
    for page in WEBSITE.glob("*.html"):
        for prefix, key in (("", WRITE_KEY), ("limited-", LIMITED_KEY)):
            text = page.read_text().replace("INGEST", address(ingest)).replace("WRITE_KEY", key)
            (directory / f"{prefix}{page.name}").write_text(text)
    shutil.copy(node_directory / RUDDERSTACK, directory / "rudderstack.js")
    handler = functools.partial(_Quiet, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session")
def browser_path() -> str:
    path = os.environ.get("TASUKI_TEST_BROWSER") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if not path:
        pytest.skip("no browser is installed (Debian: chromium)")
    return path


@pytest.fixture
def visit(browser_path: str, website: str, ingest: Ingest) -> Iterator[Open]:
    """Opens a page of the website in a browser that nobody has used. It asks nobody but the website and ingest."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        context = browser.new_context()
        errors: list[str] = []
        asked: list[str] = []

        def opened(path: str) -> Page:
            page = context.new_page()
            page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on("request", lambda request: asked.append(request.url))
            page.goto(f"{website}/{path}")
            return page

        yield opened
        for page in context.pages:
            page.wait_for_timeout(100)  # what happened meanwhile is told now
        browser.close()
    unexpected = [error for error in errors if "ERR_INTERNET_DISCONNECTED" not in error and "429" not in error]
    assert unexpected == []
    assert [url for url in asked if not url.startswith((website, address(ingest), "data:"))] == []


def wait_for(ingest: Ingest, user: str, count: int) -> list[Event]:
    until = time.monotonic() + 30
    while len(events := events_of(ingest, user)) < count:
        assert time.monotonic() < until, f"{len(events)} of {count} events: {events}"
        time.sleep(0.2)
    return events


def anonymous_id(page: Page) -> str:
    page.wait_for_function("window.analytics && window.analytics.initialized && window.analytics.user")
    found: str = page.evaluate("analytics.user().anonymousId()")
    return found


def test_page_views_and_a_form_with_analytics_js(ingest: Ingest, visit: Open, user: str) -> None:
    email = f"{user}@example.co.jp"
    page = visit("segment.html?utm_source=expo&utm_campaign=%E6%98%A5")
    (viewed,) = wait_for(ingest, anonymous_id(page), 1)
    assert (viewed.kind, viewed.properties["title"], viewed.source) == (Kind.PAGE, "料金", "clients")
    assert viewed.context["campaign"] == {"source": "expo", "name": "春"}
    page.fill("[name=email]", email)
    page.fill("[name=company]", "株式会社アクメ")
    page.click("button")
    identified, requested = wait_for(ingest, email, 2)
    assert identified.traits == {"email": email, "company": {"name": "株式会社アクメ"}}
    assert (requested.name, requested.properties) == ("Catalogue Requested", {"catalogue": "総合カタログ"})
    assert identified.anonymous_id == requested.anonymous_id == viewed.anonymous_id


def test_what_was_done_offline_arrives_when_the_browser_is_back(ingest: Ingest, visit: Open) -> None:
    page = visit("segment.html")
    visitor = anonymous_id(page)
    wait_for(ingest, visitor, 1)
    page.context.set_offline(True)
    for number in range(3):
        page.evaluate(f"analytics.track('Offline', {{number: {number}}}) && null")
    page.wait_for_timeout(1500)
    assert len(events_of(ingest, visitor)) == 1
    page.context.set_offline(False)
    events = wait_for(ingest, visitor, 4)
    assert sorted(event.properties["number"] for event in events[1:]) == [0, 1, 2]
    # By the moment at which they were done, not at which they were sent.
    assert all((event.received_at - event.time).total_seconds() > 0.5 for event in events[1:])


@pytest.mark.parametrize("way", ["", "&beacon"], ids=["requests", "beacon"])
def test_rudderstacks_browser_sdk(ingest: Ingest, visit: Open, user: str, way: str) -> None:
    page = visit(f"rudderstack.html?user={user}{way}")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    page.evaluate("sdk.track('Later')")
    events = wait_for(ingest, user, 3)
    page.wait_for_timeout(100)  # what happened meanwhile is told now
    assert ("/beacon/v1/batch" in " ".join(sent)) is bool(way)
    by_name = {event.name or event.kind: event for event in events}
    assert by_name[Kind.IDENTIFY].traits["email"] == f"{user}@example.co.jp"
    assert by_name["Catalogue Requested"].properties["catalogue"] == "総合カタログ"
    assert by_name["Later"].kind is Kind.TRACK


def test_analytics_js_comes_again_after_a_429(ingest: Ingest, visit: Open, limit: Limit) -> None:
    page = visit("limited-segment.html")
    visitor = anonymous_id(page)
    with limit.exceeded():
        for number in range(3):
            page.evaluate(f"analytics.track('Later', {{number: {number}}}) && null")
        events = wait_for(ingest, visitor, 4)
    assert sorted(event.properties["number"] for event in events if event.name == "Later") == [0, 1, 2]
    assert len({event.id for event in events}) == len(events)


def test_rudderstacks_browser_sdk_comes_again_after_a_429(ingest: Ingest, visit: Open, user: str, limit: Limit) -> None:
    with limit.exceeded():
        page = visit(f"limited-rudderstack.html?user={user}")
        page.evaluate("sdk.track('Later')")
        events = wait_for(ingest, user, 3)
    assert "Later" in {event.name for event in events}
