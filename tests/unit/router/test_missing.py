"""What is missing for the next stages, in words and numbers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from msgspec.structs import replace
from pydantic import TypeAdapter

from services.router.lifecycle.facts import facts_of
from services.router.lifecycle.missing import Missing, missing
from services.router.lifecycle.model import Lead
from services.router.lifecycle.rules import Rules
from shared.playbook import load_playbook
from shared.playbook.conditions import LeadCondition
from shared.playbook.schema import Playbook
from tests.score_records import MONDAY, Story

DEFAULT = load_playbook()


def needing(when: dict[str, Any]) -> Playbook:
    """The default playbook, whose hot stage asks for this."""
    asked: LeadCondition = TypeAdapter(LeadCondition).validate_python(when)
    stages = [stage.model_copy(update={"when": asked} if stage.id == "hot" else {}) for stage in DEFAULT.stages]
    return DEFAULT.model_copy(update={"stages": stages})


def lacks(story: Story, playbook: Playbook = DEFAULT, **lead: Any) -> dict[str, Missing]:
    rules = Rules(playbook)
    known = Lead(lead_id="l", lane=0, **({"stage": "acquired", "reached": ("awareness", "acquired")} | lead))
    return missing(known, *facts_of(known, story.last, rules), rules, story.at)


def said(when: dict[str, Any], *signals: str, total: float = 0.0) -> tuple[str, str]:
    story = Story("l")
    for signal in ("contact_obtained", *signals):
        story.record(signal, total=total)
    text = lacks(story, needing(when))["hot"].text
    assert text is not None
    return text["en"], text["ja"]


ANY_BANT = [{"signal": f"bant_{point}"} for point in ("budget", "authority", "needs", "timeframe")]


def test_points_are_told_exactly_and_rounded_up() -> None:
    assert said({"total_over": 100}, total=91.0) == ("more than 9 points", "あと9点超")
    assert said({"total_over": 100}, total=90.96)[0] == "more than 9.1 points"
    assert said({"behaviour_at_least": 30}, total=10.0) == ("20 points of behaviour score", "行動スコアあと20点")
    assert said({"attribute_at_least": 30})[0] == "30 points of attribute score"
    assert said({"grade_at_least": "B"})[0].endswith("points of attribute score")


def test_alternatives_are_told_as_such() -> None:
    when = {"any": [{"total_over": 100}, {"signal": "bant_needs"}, {"signal": "catalogue_requested"}]}
    assert said(when, total=91.0)[0].split(", or ")[0] == "more than 9 points"
    assert len(said(when, total=91.0)[0].split(", or ")) == 3
    assert len(said(when, total=91.0)[1].split("、または")) == 3


def test_what_is_met_already_is_left_out() -> None:
    some = {"at_least": 2, "of": ANY_BANT}
    assert said(some)[0].startswith("2 of: ")
    assert len(said(some)[0].split(", ")) == 4
    assert len(said(some, "bant_needs")[0].split(", or ")) == 3
    both = {"all": [{"signal": "bant_needs"}, {"any": [{"total_over": 5}, {"level_at_least": 2}]}]}
    assert said(both, "bant_needs")[0] == "more than 5 points, or certainty level 2 or higher"
    assert said(both)[0].endswith(" and (more than 5 points, or certainty level 2 or higher)")


def test_levels_name_the_actions_that_would_give_them() -> None:
    story = Story("l")
    story.record("contact_obtained")
    part = next(part for part in lacks(story)["hot"].parts if part.condition == "level_at_least")
    levels = {(action.channel, action.action): action.level for action in part.actions}
    assert levels
    assert all(level >= 2 for level in levels.values())
    of_catalogue = {
        (c, a): action.level for c, channel in DEFAULT.channels.items() for a, action in channel.actions.items()
    }
    assert levels == {place: level for place, level in of_catalogue.items() if level >= 2}


def test_a_lead_that_is_held_back_is_told_by_what_even_if_nothing_else_is_missing() -> None:
    story = Story("l")
    story.record("inquiry_made", attributes={"do_not_call": True})
    hot = lacks(story)["hot"]
    assert (hot.text, hot.parts, [guard.guard for guard in hot.held_by]) == (None, [], ["do_not_call"])
    assert lacks(story)["nurturing"].held_by == []


def test_until_when_points_do_not_count_is_told_where_points_are_asked_for() -> None:
    story = Story("l")
    record = story.record("contact_obtained", total=150.0)
    until = record.time + timedelta(days=30)
    recycled = {"stage": "recycled", "line_at": MONDAY, "held_until": until}
    found = lacks(story, **recycled)
    assert found["hot"].counts_from == until
    assert found["hot"].text is not None
    assert "more than 100 points" in found["hot"].text["en"]
    assert found["opportunity"].counts_from is None
    story.last = replace(record, time=until + timedelta(days=1))
    story.at = story.last.time
    assert "hot" not in lacks(story, **recycled)


def test_nothing_leads_on_from_an_exclusion() -> None:
    story = Story("l")
    story.record("contact_obtained")
    assert lacks(story, stage="excluded") == {}
