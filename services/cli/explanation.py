"""A lead's score in words, in Japanese or English."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

WORDS = {
    "ja": {
        "stage": "段階",
        "owner": "担当",
        "nobody": "なし",
        "playbook": "プレイブック: {playbook}",
        "members": "同一人物のID: {members}",
        "outside": "外部リストにのみ掲載され、本人の行動はまだありません{name}",
        "score": "スコア {total:.1f}点(属性 {attribute:.1f}、行動 {behaviour:.1f})、確度 {level}",
        "part": "  {points:+8.1f}  {label}({times}回)",
        "earned": "減衰前 {earned:.1f}点",
        "capped": "上限により {capped:.1f}点(上限がなければ {uncapped:.1f}点)",
        "last": "最終 {last} UTC",
        "event": "イベント {event_id}",
        "grade": "、属性ランク {grade}",
        "campaign": "  {campaign}: {done}(確度 {level})",
        "beside": "合計に含まれないスコア:",
        "ignored": "人ではない、または社内と見なし、点数に数えないイベント: ",
        "inexact": "正確ではありません: 規則の変更前のイベントは以前の規則で読まれました(再処理で正確になります)。",
        "held": "営業には渡しません: {label}",
        "until": "({moment} UTC まで)",
        "missing": "「{stage}」に進むには: {text}",
        "ready": "「{stage}」の条件は満たしています",
        "blocked": "  - 営業には渡しません: {label}",
        "counts_from": "  - {moment} UTC までは点数を数えません(再育成)",
        "leaf": "  - {label}",
        "numbers": "(現在 {value}、必要 {wanted})",
    },
    "en": {
        "stage": "Stage",
        "owner": "Owner",
        "nobody": "nobody",
        "playbook": "Playbook: {playbook}",
        "members": "The same person's ids: {members}",
        "outside": "Only known from an outside list, and has done nothing yet itself{name}",
        "score": "Score {total:.1f} (attribute {attribute:.1f}, behaviour {behaviour:.1f}), certainty level {level}",
        "part": "  {points:+8.1f}  {label} ({times}×)",
        "earned": "{earned:.1f} before it faded",
        "capped": "capped at {capped:.1f} ({uncapped:.1f} without caps)",
        "last": "last {last} UTC",
        "event": "event {event_id}",
        "grade": ", grade {grade}",
        "campaign": "  {campaign}: {done} (level {level})",
        "beside": "Scores that are no part of the total:",
        "ignored": "Events that do not count, as they are no person's or our own: ",
        "inexact": "Not exact: events of before a change of rules were read by the former ones (exact after a replay).",
        "held": "Not passed to sales: {label}",
        "until": " (until {moment} UTC)",
        "missing": "What is missing for “{stage}”: {text}",
        "ready": "The condition of “{stage}” is met",
        "blocked": "  - not passed to sales: {label}",
        "counts_from": "  - until {moment} UTC points do not count, as it was recycled",
        "leaf": "  - {label}",
        "numbers": " (now {value}, wanted {wanted})",
    },
}
REASONS = {
    "ja": {
        "crawler": "クローラー",
        "internal_network": "社内ネットワーク",
        "internal": "社内・テスト",
        "mail_scanner": "メールのセキュリティ検査",
    },
    "en": {
        "crawler": "crawlers",
        "internal_network": "our network",
        "internal": "colleagues and tests",
        "mail_scanner": "scanners of mails",
    },
}
"""Why events do not count."""


def explain_lead(lead: dict[str, Any], language: str, stage_labels: dict[str, str]) -> Iterator[str]:
    """Lines about `lead`, an answer of GET /v1/leads/{id}; `stage_labels` by stage id."""
    words, score, owner = WORDS[language], lead["score"], lead["owner"]
    who = " / ".join(part for part in (owner["department"], owner["team"], owner["person"]) if part)
    yield f"{lead['lead_id']}  {lead['contact']['name'] or ''}  {lead['company'] or ''}".rstrip()
    if lead["members"]:
        yield words["members"].format(members=", ".join(lead["members"]))
    yield f"{words['stage']}: {lead['stage']['label'][language]}   {words['owner']}: {who or words['nobody']}"
    if lead["list_kind"] == "outside":
        name = (lead["listed"] or {}).get("name")
        yield words["outside"].format(name=f": {name}" if name else "")
    grade = words["grade"].format(**score) if score["grade"] else ""
    yield words["score"].format(**score, level=lead["level"]) + grade
    for campaign in lead["campaigns"]:
        done = " / ".join(label[language] for label in campaign["labels"])
        yield words["campaign"].format(done=done, **campaign)
    yield words["playbook"].format(**lead)
    if score["ignored"]:
        yield words["ignored"] + ", ".join(f"{REASONS[language][id]} {n}" for id, n in score["ignored"].items())
    if not score["exact"]:
        yield words["inexact"]
    parts = sorted(score["contributions"], key=lambda part: -abs(part["points"]))
    yield from (_part(part, language) for part in parts if part["dimension"] not in score["dimensions"])
    if score["dimensions"]:
        yield words["beside"]
    for name, points in score["dimensions"].items():
        yield f"  {points:+8.1f}  {name}"
        yield from ("  " + _part(part, language) for part in parts if part["dimension"] == name)
    if lead["held"]:
        yield words["held"].format(label=_guard(lead["held"], language))
    for stage, gap in lead["missing"].items():
        yield from _missing(stage_labels.get(stage, stage), gap, language)


def _missing(stage: str, gap: dict[str, Any], language: str) -> Iterator[str]:
    """What would take the lead to one stage, and its parts in numbers."""
    words = WORDS[language]
    text = gap["text"]
    yield (
        words["ready"].format(stage=stage)
        if text is None
        else words["missing"].format(stage=stage, text=text[language])
    )
    for part in gap["parts"]:
        if isinstance(part["value"], int | float) and not isinstance(part["value"], bool):
            yield words["leaf"].format(label=part["label"][language]) + words["numbers"].format(**part)
    if gap["counts_from"]:
        yield words["counts_from"].format(moment=_minute(gap["counts_from"]))
    yield from (words["blocked"].format(label=_guard(guard, language)) for guard in gap["held_by"])


def _guard(guard: dict[str, Any], language: str) -> str:
    """What holds a lead back, and until when if that is known."""
    until = WORDS[language]["until"].format(moment=_minute(guard["until"])) if guard["until"] else ""
    return f"{guard['label'][language]}{until}"


def _part(part: dict[str, Any], language: str) -> str:
    """One rule's line: what it adds now, and how that came to be."""
    words = WORDS[language]
    label = (part["label"] or {}).get(language) or part["rule"]
    told = [words["earned"].format(**part)] if part["earned"] is not None else []
    if part["uncapped"] is not None:
        capped = part["points"] if part["earned"] is None else part["earned"]
        told.append(words["capped"].format(capped=capped, **part))
    if part["last"]:
        told.append(words["last"].format(last=_minute(part["last"])))
    if part["event_id"]:
        told.append(words["event"].format(**part))
    return words["part"].format(points=part["points"], label=label, times=part["times"]) + "  " + ", ".join(told)


def _minute(moment: str) -> str:
    """A moment of the API's, to the minute."""
    return moment[:16].replace("T", " ")
