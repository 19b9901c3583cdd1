"""Visits to the website."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

from services.cli.sample.calls import Diary

BLOG = [(f"/blog/kyogyo-{number:02d}", f"ブログ 共業のすすめ 第{number}回") for number in range(1, 13)]
DOCS = [("/docs/start", "導入の手引き"), ("/docs/api", "APIリファレンス"), ("/docs/security", "セキュリティ")]
PRODUCT = [("/product", "製品概要"), ("/product/features", "機能一覧"), ("/product/cases", "導入事例")]
PRICING = [("/pricing", "料金")]
UNCLASSIFIED = ["Video Played", "Site Searched", "Chat Opened", "Quote Calculated", "Page Shared"]
"""What the website reports since lately, and nobody has put into the playbook."""
UNCLASSIFIED_SHARE = 0.11  # of visits


def visit(diary: Diary, random: Random, at: datetime, interest: float, medium: str | None = None) -> None:
    """A few pages in a row; the more interested the visitor, the nearer to the prices."""
    for number in range(1 + min(int(random.expovariate(1 / (1.5 + 2.5 * interest))), 7)):
        pages = random.choices([BLOG, DOCS, PRODUCT, PRICING], [60, 14, 10 + 40 * interest, 2 + 14 * interest])[0]
        path, title = random.choice(pages)
        diary.page(at, path, title, medium if number == 0 else None)
        at += timedelta(milliseconds=random.randint(8_000, 110_000))
    if random.random() < UNCLASSIFIED_SHARE:
        diary.track(at, random.choice(UNCLASSIFIED), {"page": path})
