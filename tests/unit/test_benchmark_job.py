"""The benchmark compares engines that do the same: ours and the Python peers agree with its reference."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.scorer.scoring import Scorer
from shared.events import Logged, decode_event
from shared.playbook import load_playbook
from tests.load.job.events import Size, backlog
from tests.load.job.reference import Reference, Result
from tests.load.scorer_bench import TOLERANCE_MICRO, differences

LOAD = Path(__file__).parents[1] / "load"
PLAYBOOK = LOAD / "job" / "playbook.yaml"
SIZE = Size(events=4000, leads=300)


@pytest.fixture(scope="module")
def values() -> list[bytes]:
    return [value for _, value in backlog(SIZE)]


@pytest.fixture(scope="module")
def expected(values: list[bytes]) -> dict[str, Result]:
    return results(PLAYBOOK, values)


def results(playbook: Path, values: list[bytes]) -> dict[str, Result]:
    reference = Reference(playbook)
    for value in values:
        reference.add(value)
    assert reference.copies, "without copies nobody is seen to count them twice"
    return reference.results()


@pytest.fixture
def leads() -> Iterator[Any]:
    """The module that the Python peers share; they run as scripts from their folder."""
    sys.path.insert(0, str(LOAD / "peers"))
    import leads as module  # noqa: PLC0415

    yield module
    sys.path.remove(str(LOAD / "peers"))
    del sys.modules["leads"], sys.modules["rules"]


def test_our_scorer_agrees_with_the_reference(values: list[bytes], expected: dict[str, Result]) -> None:
    scorer = Scorer(load_playbook(PLAYBOOK))
    events: dict[str, list[Logged]] = defaultdict(list)
    for offset, value in enumerate(values):
        event = decode_event(value)
        events[event.key].append(Logged(offset, 20_000, event))
    found = {}
    for lead, its_events in events.items():
        record = scorer.apply(scorer.new_state(), its_events, 0)[-1]
        found[lead] = Result(round(record.total * 1_000_000), record.level)
    assert not differences(expected, found, TOLERANCE_MICRO)


def test_the_python_peers_agree_with_the_reference(
    leads: Any, values: list[bytes], expected: dict[str, Result]
) -> None:
    scoring, kept = leads.Scoring(PLAYBOOK), dict[str, tuple[bytes, bytes]]()
    for value in values:
        event = leads.decode_event(value)
        now, earlier = kept.get(event.key, (leads.encode_state(leads.Now()), leads.encode_state({})))
        lead = leads.Lead(leads.decode_now(now), lambda earlier=earlier: leads.decode_earlier(earlier))
        scoring.book(lead, event)
        if lead.loaded:
            earlier = leads.encode_state(lead.earlier)
        kept[event.key] = leads.encode_state(lead.now), earlier
    found = {}
    for lead, (now, _) in kept.items():
        score = scoring.score(lead, leads.decode_now(now))
        found[lead] = Result(score.total, score.level)
    assert not differences(expected, found, TOLERANCE_MICRO)


Book = dict[str, Any]


def rule_of(book: Book, id: str) -> Book:
    return next(rule for rule in [*book["behaviour"]["rules"], *book["attribute"]["rules"]] if rule["id"] == id)


WITHOUT: dict[str, Callable[[Book], object]] = {
    "cap of a day": lambda book: rule_of(book, "product_viewed").pop("cap_per_day"),
    "cap of a week": lambda book: rule_of(book, "case_viewed").pop("cap_per_week"),
    "cap for ever": lambda book: rule_of(book, "whitepaper_taken").pop("cap_ever"),
    "cap of the group": lambda book: rule_of(book, "invitation_clicked").pop("group"),
    "expiry": lambda book: rule_of(book, "webinar_booked").pop("expires"),
    "points of a property": lambda book: rule_of(book, "webinar_watched").pop("points_from"),
    "negative points": lambda book: rule_of(book, "careers_viewed").update(points=0),
    "company size": lambda book: rule_of(book, "employees_300").update(points=0),
    "job title": lambda book: rule_of(book, "manager").update(points=0),
    "bound of the total": lambda book: book["total"].update(at_least=-100_000),
    "end of a level": lambda book: book["levels"].update(valid_for="365d"),
}


@pytest.mark.parametrize("part", WITHOUT)
def test_the_result_depends_on_every_part_of_the_playbook(
    part: str, values: list[bytes], expected: dict[str, Result], tmp_path: Path
) -> None:
    book = yaml.safe_load(PLAYBOOK.read_text("utf-8"))
    WITHOUT[part](book)
    other = tmp_path / "playbook.yaml"
    other.write_text(yaml.safe_dump(book), "utf-8")
    assert differences(expected, results(other, values), TOLERANCE_MICRO)


def test_a_seed_gives_the_same_backlog(values: list[bytes]) -> None:
    assert [value for _, value in backlog(SIZE)] == values
    sizes = [len(value) for value in values]
    assert 380 < sum(sizes) / len(sizes) < 420
