"""Outside lists (domain A4): nobody calls through one that is not narrowed, and whoever acts is one's own lead."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.router.lifecycle.rules import Rules
from services.scorer.scoring import Scorer
from shared.events import Event, Kind
from shared.playbook import load_playbook
from tests.property.living import START, Life

SCORER, RULES = Scorer(load_playbook()), Rules(load_playbook())
INDUSTRIES = ["製造", "金融", "小売", "公務", ""]
SIZES = [1, 299, 300, "1,200", 50_000]
TRAITS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "email": st.sampled_from(["a@b.example", "c@d.example"]),
        "phone": st.just("03-0000-0000"),
        "title": st.sampled_from(["代表取締役社長", "部長", "担当"]),
        "industry": st.sampled_from(INDUSTRIES),
        "employees": st.sampled_from(SIZES),
    },
)
LISTS = st.sampled_from(["external_database", "bdr_research"])
OWN_ACTS = [
    ("Lead Listed", {"list": "house_list"}),
    ("Webinar Booked", {}),
    ("Document Downloaded", {}),
    ("Call Answered", {}),
    ("Email Link Clicked", {}),
    ("Newsletter Joined", {}),
    ("Usage Reported", {"usage": 5}),
]
DAYS = st.integers(0, 100)


def event(number: int, day: int, name: str, properties: dict[str, Any], traits: dict[str, Any]) -> Event:
    at = START + timedelta(days=day)
    return Event(
        kind=Kind.TRACK if name else Kind.IDENTIFY, id=f"m{number}", source="import", key="lead-1", time=at,
        received_at=START + timedelta(days=101), name=name, properties=properties, traits=traits,
    )  # fmt: skip


@st.composite
def listings(draw: st.DrawFn) -> list[Event]:
    """All that is known of somebody who is on outside lists, in any order: that they are, and what they are."""
    told = draw(st.lists(st.tuples(DAYS, st.booleans(), LISTS, TRAITS), min_size=1, max_size=6))
    return [
        event(number, day, "Lead Listed" if is_listed or not number else "", {"list": name}, traits)
        for number, (day, is_listed, name, traits) in enumerate(told)
    ]


def lived(events: list[Event]) -> Life:
    """The events one by one, as far as scorer and router are concerned, and a year without any."""
    life = Life("lead-1", SCORER, RULES)
    for offset, one in enumerate(events):
        life.hear([(offset, one)])
    life.wait(START + timedelta(days=465))
    return life


@given(listings())
def test_whoever_a_list_alone_tells_of_is_handed_over_only_if_the_playbook_narrows_it(log: list[Event]) -> None:
    life = lived(log)
    assert {record.list_kind for record in life.records} == {"outside"}
    assert all(record.behaviour == 0 for record in life.records)
    is_narrowed = [
        record.attributes.get("company.industry") in {"製造", "金融"}
        and int(str(record.attributes.get("company.employees", 0)).replace(",", "")) >= 300
        for record in life.records
    ]
    for record, narrow in zip(life.records, is_narrowed, strict=True):
        assert record.level <= (2 if narrow else 1)
    offered = [step for step in life.handoffs if step.status == "offered"]
    assert not offered or any(is_narrowed)
    if not any(is_narrowed):
        assert {step.target for step in life.stages} <= {"acquired"}


def test_who_is_narrowed_is_offered_to_inside_sales() -> None:
    traits = {"email": "a@b.example", "industry": "製造", "employees": "1,200"}
    life = lived([event(0, 100, "Lead Listed", {"list": "external_database"}, traits)])
    assert next((step.status, step.receiver) for step in life.handoffs) == ("offered", "inside-sales")


@given(listings(), st.sampled_from(OWN_ACTS), DAYS, st.data())
def test_whoever_acts_is_ones_own_lead_in_whatever_order_it_is_told(
    log: list[Event], act: tuple[str, dict[str, Any]], day: int, data: st.DataObject
) -> None:
    name, properties = act
    whole = [*log, event(len(log), day, name, properties, {})]
    assert lived(data.draw(st.permutations(whole))).records[-1].list_kind == "house"
