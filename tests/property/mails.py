"""Mails of which much is told within seconds, in properties and moments that are close to what makes a scanner."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from hypothesis import strategies as st

from services.scorer.scoring.mails import MOST_ACTS, MOST_SENT

T = TypeVar("T")

SENT = datetime(2026, 1, 20, 15, 0, tzinfo=UTC) - timedelta(seconds=4)
"""Shortly before a day ends in Tokyo."""
OPENED = ["Email Opened", "Download Mail Opened"]
ACTS = [*OPENED, "Email Clicked", "Email Clicked", "Email Link Clicked", "Document Downloaded"]
NAMES = [*ACTS, *ACTS, "Email Sent", "Email Delivered"]
MOMENTS = st.builds(
    lambda day, ms: SENT + timedelta(days=day, milliseconds=ms),
    st.sampled_from([0, 0, 0, 1, 60]),
    st.sampled_from([-1, 0, 1, 500, 2000, 2001, 2500, 4001, 4999, 5000, 5001, 60_000]) | st.integers(0, 10_000),
)
PROPERTIES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"link_url": st.sampled_from(["https://a.example", "https://b.example", "https://c.example", "", None])},
    optional={
        "mail_id": st.sampled_from(["welcome", " welcome", 7, "7", ""]),
        "campaign": st.sampled_from(["spring", ["spring"]]),
        "url": st.sampled_from(["https://d.example", 5]),
    },
)
TELLING: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "machine": st.sampled_from([True, False, "true", "no", 1, 1.0, None]),
        "sg_machine_open": st.sampled_from(["Yes", []]),
        "sent_at": st.sampled_from([SENT.isoformat(), "2026-01-20t14:59:56", SENT.timestamp(), "soon", True, 1e300]),
        "delivered_at": st.sampled_from([int(SENT.timestamp() * 1000) + 500, -5, "9999-12-31T23:59:59-12:00"]),
    },
)
SCANNERS: st.SearchStrategy[dict[str, Any] | None] = st.none() | st.fixed_dictionaries(
    {
        "acts": st.sampled_from([[{"event": ["Email Opened", "Email Clicked", "Document Downloaded"]}]]),
        "sent": st.sampled_from([[], [{"event": ["Email Sent", "Webinar Attended"]}]]),
        "mail": st.sampled_from([[], ["mail_id", "campaign"]]),
        "link": st.sampled_from([["link_url"], ["url", "link_url"]]),
    },
    optional={
        "machine": st.just(["machine"]),
        "sent_at": st.just(["sent_at", "delivered_at"]),
        "within": st.sampled_from(["2s", "1m", "90d"]),
        "links_at_once": st.sampled_from([2, 3]),
        "at_once": st.sampled_from(["1s", "10s", "60d"]),
    },
)


MAY_BE_ACTS = frozenset(ACTS)
MAY_BE_SENDINGS = frozenset({"Email Sent", "Email Delivered", "Webinar Attended"})


def kept(log: Iterable[T], name_and_lead: Callable[[T], tuple[str, str | None]]) -> list[T]:
    """Of each lead no more acts and sendings than are remembered: beyond them the order does matter (see
    `services.scorer.scoring.mails`)."""
    found, acts, sendings = list[T](), Counter[str | None](), Counter[str | None]()
    for one in log:
        name, lead = name_and_lead(one)
        acts[lead] += name in MAY_BE_ACTS
        sendings[lead] += name in MAY_BE_SENDINGS
        if (name not in MAY_BE_ACTS or acts[lead] <= MOST_ACTS) and (
            name not in MAY_BE_SENDINGS or sendings[lead] <= MOST_SENT
        ):
            found.append(one)
    return found


def of_call(call: dict[str, Any]) -> tuple[str, str | None]:
    """For `kept`."""
    return call.get("event", ""), call.get("userId") or call.get("anonymousId")


@st.composite
def told(draw: st.DrawFn) -> tuple[str, datetime, dict[str, Any]]:
    """Name, time and properties of an event about a mail."""
    properties = draw(PROPERTIES)
    if draw(st.integers(0, 5)) == 0:
        properties |= draw(TELLING)
    return draw(st.sampled_from(NAMES)), draw(MOMENTS), properties
