"""A lead at a stage that the playbook has no more: nothing is stuck."""

from __future__ import annotations

from importlib import resources

import yaml

from services.router.lifecycle.rules import Rules
from services.router.messages import stage_name
from shared.playbook.loader import parse_playbook
from tests.lives import Life


def without_hot() -> Rules:
    raw = yaml.safe_load(resources.files("shared.playbook").joinpath("default.yaml").read_text("utf-8"))
    raw["stages"] = [stage for stage in raw["stages"] if stage["id"] != "hot"]
    for rule in raw["recycling"].values():
        rule["from"] = [stage for stage in rule["from"] if stage != "hot"]
    return Rules(parse_playbook(yaml.safe_dump(raw, allow_unicode=True), "custom.yaml"))


def test_it_goes_on_to_whatever_it_is_enough_for_and_its_offer_is_withdrawn() -> None:
    life = Life().shows("contact_obtained").shows("inquiry_made")
    life.rules = without_hot()
    assert life.shows("on_site").lead.stage == "acquired"
    assert (life.told[-1], life.lead.department) == (("inside-sales", "withdrawn"), "marketing")
    assert life.shows("deal_registered").lead.stage == "opportunity"


def test_its_offer_expires_as_ever_if_nothing_happens() -> None:
    life = Life().shows("contact_obtained").shows("inquiry_made")
    life.rules = without_hot()
    respond_by = life.opened.respond_by
    assert respond_by is not None
    life.is_due_until(respond_by)
    assert life.told[-2:] == [("inside-sales", "expired"), ("inside-sales", "offered")]


def test_it_goes_by_its_id() -> None:
    name = stage_name("hot", without_hot().playbook)
    assert (name.id, name.label) == ("hot", {"ja": "hot", "en": "hot"})
