"""Programs that walk through the website, and say so in their user agent."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from services.cli.sample.calendar import Calendar
from services.cli.sample.calls import Call, Diary
from services.cli.sample.website import BLOG, DOCS, PRICING, PRODUCT
from services.cli.sample.words import CRAWLERS

LEADS_PER_CRAWL = 45


def crawl(seed: int, number: int, calendar: Calendar) -> list[Call]:
    """One walk through most of the pages, a second or so at each, at any hour."""
    random = Random(f"{seed}:crawl:{number}")
    diary = Diary(f"s{seed}-c{number:04d}", f"crawl-{number:04d}", agent=random.choice(CRAWLERS))
    at = calendar.start + (calendar.end - calendar.start) * random.random()
    pages = [page for page in BLOG + DOCS + PRODUCT + PRICING if random.random() < 0.9]
    for path, title in pages:
        diary.page(at, path, title)
        at += timedelta(milliseconds=random.randint(400, 2_500))
    return diary.calls(calendar.end)
