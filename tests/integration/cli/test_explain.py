"""`tasuki explain` on a running installation, of a lead whose events are as odd as senders make them."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from services.cli.stack import Stack

NOW = datetime.now(UTC).replace(microsecond=0)
THEN = NOW - timedelta(days=30)
AGENT = {"userAgent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"}


def call(number: int, type: str, at: datetime, **fields: Any) -> dict[str, Any]:
    return {"type": type, "userId": "u-1", "messageId": f"m-{number}", "timestamp": at.isoformat(), **fields}


def odd_calls() -> list[dict[str, Any]]:
    """What is worth nothing and must harm nothing, and what is worth something."""
    company = {"name": "アクメ 👩‍👩‍👧 \u202eמרחבא", "employees": "1,200", "industry": ["製造"]}
    track = {"event": "Document Downloaded"}
    return [
        call(1, "identify", THEN, traits={"title": {"ja": "部長"}, "email": "taro@acme.example", "company": company}),
        *(call(10 + n, "track", THEN + timedelta(minutes=n), **track) for n in range(3)),
        call(20, "track", NOW, event="Usage Reported", properties={"usage": 40}),
        call(21, "track", datetime(1970, 1, 1, tzinfo=UTC), **track),
        call(22, "track", datetime(2099, 1, 1, tzinfo=UTC), event="長い名前🎌" * 40),
        call(23, "page", NOW, context=AGENT, properties={"path": "/pricing"}),
        *(call(100 + n, "track", NOW, event=f"Name {n}") for n in range(1_000)),
    ]


def scraped(environment: dict[str, str]) -> dict[str, float]:
    text = httpx.get(f"http://127.0.0.1:{environment['TASUKI_SCORER_PORT']}/metrics").text
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")}


def explained(environment: dict[str, str], language: str) -> str:
    router = f"http://127.0.0.1:{environment['TASUKI_ROUTER_PORT']}"
    command = [sys.executable, "-m", "services.cli.main", "explain", "u-1", "-l", language, "--router", router]
    asked = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return asked.stdout


def until(true: Any) -> None:
    deadline = time.monotonic() + 40
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_every_point_is_explained_and_every_oddity_counted(stack: Stack, stack_environment: dict[str, str]) -> None:
    calls = odd_calls()
    ingest = f"http://127.0.0.1:{stack_environment['TASUKI_INGEST_PORT']}/v1/batch"
    for start in range(0, len(calls), 400):
        body = {"batch": calls[start : start + 400]}
        assert httpx.post(ingest, json=body, auth=("wk_test", "")).status_code == 200
    until(lambda: scraped(stack_environment)["tasuki_scorer_events_total"] == len(calls))

    metrics = scraped(stack_environment)
    assert metrics["tasuki_scorer_misfit_traits_events_total"] == 1
    assert metrics["tasuki_scorer_late_events_total"] == 1
    assert metrics["tasuki_scorer_future_events_total"] == 1
    assert metrics["tasuki_scorer_unclassified_events_total"] == 1_001
    assert metrics['tasuki_scorer_ignored_events_total{reason="crawler"}'] == 1
    assert metrics["tasuki_scorer_dead_letters_total"] == 0
    assert len(metrics) < 250, "no metric for each name"

    until(lambda: "adoption" in explained(stack_environment, "en"))
    english, japanese = explained(stack_environment, "en"), explained(stack_environment, "ja")
    day = f"{THEN + timedelta(minutes=2):%Y-%m-%d %H:%M} UTC"
    downloads = next(line for line in english.splitlines() if "Downloaded a document" in line)
    assert "(3×)" in downloads
    assert "30.0 before it faded, capped at 30.0 (45.0 without caps)" in downloads
    assert f"last {day}, event m-12" in downloads
    # Half of it, and a little more: it began to fade when its day was over.
    assert 15.0 <= float(downloads.split()[0]) < 15.6
    employees = next(line for line in english.splitlines() if "1000 employees or more" in line)
    assert employees.startswith("     +25.0")
    assert "event m-1" in employees
    assert "Events that do not count, as they are no person's or our own: crawlers 1" in english
    assert "Scores that are no part of the total:\n     +20.0  adoption\n" in english
    assert "Playbook: the-model@1#" in english
    assert "grade B" in english
    assert "Not exact" not in english

    downloads = next(line for line in japanese.splitlines() if "資料ダウンロード" in line)
    assert "(3回)" in downloads
    assert "減衰前 30.0点, 上限により 30.0点(上限がなければ 45.0点)" in downloads
    assert f"最終 {day}, イベント m-12" in downloads
    assert "点数に数えないイベント: クローラー 1" in japanese
    assert "合計に含まれないスコア:" in japanese
    assert "プレイブック: the-model@1#" in japanese
