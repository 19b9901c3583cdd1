"""A hand-off as a sentence or two that its receiver would read (Japanese)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

BANT = {"budget": "予算", "authority": "決裁権", "needs": "ニーズ", "timeframe": "導入時期"}


def handoff_in_words(message: dict[str, Any], zone: ZoneInfo) -> str:
    """`message` is a value of `handoffs.<department>`."""
    return "\n".join(_lines(message, zone))


def _lines(message: dict[str, Any], zone: ZoneInfo) -> Iterator[str]:
    contact, company, score, trigger = message["contact"], message["company"], message["score"], message["trigger"]
    giver, receiver = message["from"], message["to"]
    yield f"【引き継ぎ】{giver['label']['ja']} → {receiver['label']['ja']}(チーム: {message['team']})"
    who = [company["name"], contact["department"], contact["title"], contact["name"], contact["prefecture"]]
    yield "  リード  " + " ".join(part for part in who if part)
    yield "  連絡先  " + " / ".join(part for part in (contact["phone"], contact["email"]) if part)
    yield f"  理由    {message['reason']['stage']['ja']}(きっかけ: {trigger.get('name') or trigger['kind']})"
    total, attribute, behaviour = score["total"], score["attribute"], score["behaviour"]
    yield f"  スコア  {total:.1f}点(属性 {attribute:.1f}、行動 {behaviour:.1f})、確度{message['level']}"
    parts = sorted((part for part in score["contributions"] if part["points"]), key=lambda part: -part["points"])
    if parts:
        yield "  内訳    " + "、".join(f"{_label(part)} {part['points']:+.1f}" for part in parts)
    confirmed = [word for point, word in BANT.items() if message["bant"].get(point)]
    yield "  BANT    " + ("、".join(confirmed) + "を確認済み" if confirmed else "未確認")
    if message["respond_by"]:
        respond_by = datetime.fromisoformat(message["respond_by"]).astimezone(zone)
        yield f"  期限    {respond_by:%Y-%m-%d %H:%M} までに初回対応"


def _label(part: dict[str, Any]) -> str:
    return str((part.get("label") or {}).get("ja") or part["rule"])
