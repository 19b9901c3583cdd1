"""Playbooks of any shape: the default one with other rules."""

from __future__ import annotations

from importlib import resources
from typing import Any

import yaml
from hypothesis import reject
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.playbook import Playbook
from shared.playbook.crosscheck import crosscheck
from tests.property import mails

DEFAULT: dict[str, Any] = yaml.safe_load(resources.files("shared.playbook").joinpath("default.yaml").read_text("utf-8"))
NAMES = ["Document Downloaded", "Webinar Attended", "Email Clicked", "Email Clicked", "Booth Visited"]
OCCASIONS: list[dict[str, Any]] = [
    *({"event": name} for name in NAMES),
    {"channel": "webinar"},
    {"channel": "exhibition", "action": "booth_talked"},
    {"channel": "webinar", "action": ["surveyed", "asked_contact"], "where": {"contact_requested": False}},
    {"event": "Survey Answered", "channel": "webinar", "action": ["booked", "surveyed"]},
    {"kind": "track", "channel": "contact_form"},
]
"""What a rule may be about. Of one event several actions of a channel may be true."""
LABEL = {"ja": "規則", "en": "rule"}
POINTS = st.sampled_from([-20, -1, 0.000001, 0.5, 1, 3, 10, 40])
THRESHOLDS = st.sampled_from([100, 30, 5, 0.25, -3])
CAPS = st.sampled_from([0.5, 1, 5, 12, 50])
GRADES = st.sampled_from([{}, {"A": 40, "B": 20, "C": 5}])
INTERNAL = st.fixed_dictionaries(
    {},
    optional={
        "networks": st.just(["192.0.2.0/24", "2001:db8::/32"]),
        "ids": st.sampled_from([["visitor"], ["nobody"]]),
        "domains": st.sampled_from([["acme.example"], ["other.example"]]),
    },
)
TARGETS = ["recycled", "recycled", "acquired", "nurturing"]
WORKED = ["acquired", "nurturing", "hot", "appointment", "opportunity", "onboarding", "expansion"]
HOLDS = st.sampled_from(["0d", "1d", "10d", "60d"])
SILENT = ["mail_clicked", "responded", "on_site", "sales_activity", "product_site_visited", "customer_contact"]
LEADING_BACK: list[dict[str, Any]] = [
    {"signal": "deal_lost"},
    {"signal": "deal_lost", "later_than": "deal_registered"},
    {"any": [{"signal": "churned", "later_than": "deal_won"}, {"signal": "deal_lost"}]},
    {"all": [{"signal": "mail_clicked"}, {"field": "email", "is": {"present": True}}]},
    {"all": [{"signal": "product_site_visited", "later_than": "mail_clicked"}, {"not": {"signal": "deal_won"}}]},
    {"level_at_least": 3},
    {"not": {"level_at_least": 1}},
]
"""For what a lead may be recycled."""
OFTEN: list[dict[str, Any]] = [
    {"often": "on_site", "times": 2, "within": "6h"},
    {"often": "mail_clicked", "times": 1, "within": "3d"},
    {
        "any": [
            {"often": "sales_activity", "times": 2, "within": "10d"},
            {"often": "responded", "times": 1, "within": "1d"},
        ]
    },
    {
        "all": [
            {"often": "on_site", "times": 1, "within": "10d"},
            {"not": {"signal": "responded", "later_than": "on_site"}},
        ]
    },
]
"""What holds a lead back for a while."""
DURATIONS = st.sampled_from(["6h", "1d", "3d", "10d", "30d"])


CHANGES: dict[str, st.SearchStrategy[Any]] = {
    "points": POINTS, "cap_per_day": CAPS, "cap_per_week": CAPS, "half_life": DURATIONS, "expires": DURATIONS,
}  # fmt: skip


ACCOUNTS = st.sampled_from([{}, {"names": ["株式会社アクメ", "Beta Co., Ltd."]}, {"domains": ["acme.example"]}])
BEING: list[dict[str, Any]] = [
    {"field": "target_company", "is": True},
    {"field": "target_domain", "is": True},
    {"not": {"field": "target_company", "is": True}},
    {"field": "company.employees", "is": {"at_least": 300}},
    {"attribute_at_least": 20},
    {"at_least": 1, "of": [{"attribute_at_least": 40}, {"field": "phone", "is": {"present": True}}]},
    {"all": [{"grade_at_least": "B"}, {"field": "email", "is": {"present": True}}]},
]
"""What a lead may be, for its level on an outside list."""


TOGETHER = [["booked", "absent"], ["attended", "surveyed"], ["booked", "attended"], ["absent", "asked_contact"]]
"""What a lead may have done in one webinar, for its level."""


def channels(draw: st.DrawFn) -> dict[str, Any]:
    """The part `channels`: the default's with other levels of outside lists."""
    found = dict(DEFAULT["channels"])
    for name in ("external_database", "bdr_research"):
        told = draw(st.lists(st.tuples(st.integers(2, 4), st.sampled_from(BEING)), min_size=1, max_size=3))
        found[name] = found[name] | {"by_attributes": [{"label": LABEL, "level": n, "when": when} for n, when in told]}
    told_together = draw(st.lists(st.tuples(st.integers(2, 4), st.sampled_from(TOGETHER)), max_size=2))
    together = [{"label": LABEL, "level": n, "all": actions} for n, actions in told_together]
    found["webinar"] = found["webinar"] | {"together": together}
    if draw(st.booleans()):  # acts with mails may take part as well
        read = {"label": LABEL, "level": draw(st.integers(3, 4)), "all": ["downloaded", "mail_opened"]}
        found["download"] = found["download"] | {"campaign": {"from": ["campaign"]}, "together": [read]}
    visited = {"label": LABEL, "level": 3, "all": ["attended", "booth_visited"]}
    found["exhibition"] = found["exhibition"] | {"together": [visited]}
    return found


@st.composite
def behaviours(draw: st.DrawFn) -> dict[str, Any]:
    """The part `behaviour`, valid or nearly so."""
    groups = {
        name: {"label": LABEL, **draw(st.fixed_dictionaries({}, optional=_caps()).filter(bool))}
        for name in draw(st.sets(st.sampled_from(["mail", "web"])))
    }
    rules = [_rule(draw, number, sorted(groups)) for number in range(draw(st.integers(1, 5)))]
    return {"half_life": draw(DURATIONS), "groups": groups, "rules": rules}


def _stage(draw: st.DrawFn, stage: dict[str, Any]) -> dict[str, Any]:
    """The stage, with another threshold where it has one."""
    if stage["id"] != "hot":
        return stage
    others = [condition for condition in stage["when"]["any"] if "total_over" not in condition]
    return stage | {"when": {"any": [*others, {"total_over": draw(THRESHOLDS)}]}}


def _caps() -> dict[str, st.SearchStrategy[Any]]:
    return {"cap_per_day": CAPS, "cap_per_week": CAPS, "cap_ever": CAPS}


def _rule(draw: st.DrawFn, number: int, groups: list[str]) -> dict[str, Any]:
    rule: dict[str, Any] = {"id": f"rule_{number}", "label": LABEL, "points": draw(POINTS)}
    rule["when"] = draw(st.sampled_from(OCCASIONS))
    rule |= draw(st.fixed_dictionaries({}, optional={"half_life": DURATIONS, "expires": DURATIONS}))
    if draw(st.integers(0, 4)) == 0:
        return rule | {"once": True}
    rule |= draw(st.fixed_dictionaries({}, optional=_caps()))
    if draw(st.integers(0, 3)) == 0:
        rule["points_from"] = "usage"
    if groups and draw(st.booleans()):
        rule["group"] = draw(st.sampled_from(groups))
    if draw(st.integers(0, 4)) == 0:
        rule["dimension"] = "adoption"
    return rule


@st.composite
def playbooks(draw: st.DrawFn) -> Playbook:
    """Such as can be loaded."""
    raw = draw(contents())
    try:
        playbook = Playbook.model_validate(raw)
    except ValidationError:
        reject()
    if crosscheck(playbook):
        reject()
    return playbook


@st.composite
def successors(draw: st.DrawFn) -> tuple[Playbook, Playbook]:
    """A playbook, and one in which the same events have other worth."""
    raw = draw(contents())
    rules = [rule | draw(st.fixed_dictionaries({}, optional=CHANGES)) for rule in raw["behaviour"]["rules"]]
    later = raw | {"behaviour": raw["behaviour"] | {"half_life": draw(DURATIONS), "rules": rules}}
    try:
        first, second = Playbook.model_validate(raw), Playbook.model_validate(later)
    except ValidationError:
        reject()
    if crosscheck(first) or crosscheck(second):
        reject()
    return first, second


@st.composite
def contents(draw: st.DrawFn) -> dict[str, Any]:
    """What a playbook's file holds."""
    rules = [dict(rule) for rule in DEFAULT["attribute"]["rules"]]
    for rule in rules:
        if draw(st.booleans()):
            rule["group"] = "size"
    groups = {"size": {"label": LABEL, "at_most": draw(CAPS)}}
    return _coming_back(draw) | {
        "behaviour": draw(behaviours()),
        "attribute": {
            "groups": groups,
            "rules": rules,
            "grades": draw(st.sampled_from([{}, {"A": 40, "B": 20, "C": 5}])),
        },
        "channels": channels(draw),
        "target_accounts": draw(ACCOUNTS),
        "not_people": {"crawlers": draw(st.booleans()), "internal": draw(INTERNAL), "scanners": draw(mails.SCANNERS)},
        "dimensions": {"adoption": {"label": LABEL}},
        "total": draw(st.sampled_from([{}, {"at_least": 0}, {"at_least": -5, "at_most": 60}])),
    }


@st.composite
def recyclings(draw: st.DrawFn) -> dict[str, Any]:
    """The part `recycling`: the default's, or up to three other rules."""
    if draw(st.integers(0, 2)) == 0:
        return dict(DEFAULT["recycling"])
    found = {}
    for number in range(draw(st.integers(0, 3))):
        target = draw(st.sampled_from(TARGETS))
        worked = st.sampled_from([stage for stage in WORKED if stage != target])
        sources = draw(st.lists(worked, min_size=1, max_size=4, unique=True))
        rule = {"label": LABEL, "from": sources, "to": target}
        rule |= {"hold": draw(HOLDS), "behaviour": draw(st.sampled_from(["restart", "restart", "keep"]))}
        if draw(st.booleans()):
            rule |= {"silent": draw(st.sampled_from(SILENT)), "silent_for": draw(st.sampled_from(["1d", "10d", "30d"]))}
        else:
            rule["when"] = draw(st.sampled_from(LEADING_BACK))
        if draw(st.integers(0, 2)) == 0:
            rule["through"] = "lost"
        found[f"way_{number}"] = rule
    return found


@st.composite
def recycling_contents(draw: st.DrawFn) -> dict[str, Any]:
    """The default with other ways back, and other things by which leads become hot."""
    found = _coming_back(draw)
    more = draw(st.lists(st.sampled_from(BEING[2:] + LEADING_BACK), max_size=1))
    found["stages"] = [
        stage | {"when": {"any": [*stage["when"]["any"], *more]}} if stage["id"] == "hot" else stage
        for stage in found["stages"]
    ]
    behaviour = DEFAULT["behaviour"] | {"half_life": draw(DURATIONS)}
    return found | {"behaviour": behaviour, "total": draw(st.sampled_from([{}, {"at_least": 0}]))}


def _coming_back(draw: st.DrawFn) -> dict[str, Any]:
    """The default with other ways back, and without the stages that no lead comes to by them."""
    recycling = draw(recyclings())
    rejection = DEFAULT["rejection"] | {"to": draw(st.sampled_from(TARGETS)), "hold": draw(HOLDS)}
    rejection |= {"behaviour": draw(st.sampled_from(["restart", "restart", "keep"]))}
    entered = {rejection["to"], *(rule[key] for rule in recycling.values() for key in ("to", "through") if key in rule)}
    first, *others = DEFAULT["stages"]
    stages = [first, *(_stage(draw, stage) for stage in others if "when" in stage or stage["id"] in entered)]
    more = draw(st.lists(st.sampled_from(OFTEN), max_size=2, unique_by=str))
    held = [{"id": f"guard_{number}", "label": LABEL, "when": when} for number, when in enumerate(more)]
    guards = [*held, *DEFAULT["guards"]] if draw(st.booleans()) else [*DEFAULT["guards"], *held]
    return DEFAULT | {"recycling": recycling, "rejection": rejection, "stages": stages, "guards": guards}


@st.composite
def level_contents(draw: st.DrawFn) -> dict[str, Any]:
    """The default with other levels, and stages that are entered by them."""
    found = channels(draw)
    actions = found["webinar"]["actions"]
    found["webinar"] = found["webinar"] | {
        "actions": {id: action | {"level": draw(st.integers(1, 3))} for id, action in actions.items()}
    }
    accounts = draw(ACCOUNTS)
    stages = [stage | {"when": {"level_at_least": 3}} if stage["id"] == "hot" else stage for stage in DEFAULT["stages"]]
    return DEFAULT | {"channels": found, "target_accounts": accounts, "stages": stages}
