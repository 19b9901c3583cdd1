"""The benchmark compares engines that do the same: ours and the Python peers agree with its reference."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.scorer.scoring import Scorer
from shared.events import Logged, decode_event
from shared.playbook import load_playbook
from tests.load.job.events import Size, backlog
from tests.load.job.reference import Reference

LOAD = Path(__file__).parents[1] / "load"
PLAYBOOK = LOAD / "job" / "playbook.yaml"
SIZE = Size(events=4000, leads=300)
TOLERANCE_MICRO = 1000


@pytest.fixture(scope="module")
def values() -> list[bytes]:
    return [value for _, value in backlog(SIZE)]


@pytest.fixture(scope="module")
def expected(values: list[bytes]) -> dict[str, int]:
    reference = Reference(PLAYBOOK)
    for value in values:
        reference.add(value)
    assert reference.copies, "without copies nobody is seen to count them twice"
    return reference.scores()


@pytest.fixture
def leads() -> Iterator[Any]:
    """The module that the Python peers share; they run as scripts from their folder."""
    sys.path.insert(0, str(LOAD / "peers"))
    import leads as module  # noqa: PLC0415

    yield module
    sys.path.remove(str(LOAD / "peers"))
    del sys.modules["leads"]


def same(found: dict[str, int], expected: dict[str, int]) -> bool:
    return found.keys() == expected.keys() and all(
        abs(found[lead] - total) <= TOLERANCE_MICRO for lead, total in expected.items()
    )


def test_our_scorer_agrees_with_the_reference(values: list[bytes], expected: dict[str, int]) -> None:
    scorer = Scorer(load_playbook(PLAYBOOK))
    events: dict[str, list[Logged]] = defaultdict(list)
    for offset, value in enumerate(values):
        event = decode_event(value)
        events[event.key].append(Logged(offset, 20_000, event))
    found = {}
    for lead, its_events in events.items():
        found[lead] = round(scorer.apply(scorer.new_state(), its_events, 0)[-1].total * 1_000_000)
    assert same(found, expected)


def test_the_python_peers_agree_with_the_reference(leads: Any, values: list[bytes], expected: dict[str, int]) -> None:
    rules, kept = leads.Rules(PLAYBOOK), dict[str, tuple[bytes, bytes]]()
    for value in values:
        event = leads.decode_event(value)
        now, earlier = kept.get(event.key, (leads.encode_state(leads.Now()), leads.encode_state({})))
        lead = leads.Lead(leads.decode_now(now), lambda earlier=earlier: leads.decode_earlier(earlier))
        rules.book(lead, event)
        if lead.loaded:
            earlier = leads.encode_state(lead.earlier)
        kept[event.key] = leads.encode_state(lead.now), earlier
    found = {lead: rules.score(lead, leads.decode_now(now)).total for lead, (now, _) in kept.items()}
    assert same(found, expected)


def test_a_seed_gives_the_same_backlog(values: list[bytes]) -> None:
    assert [value for _, value in backlog(SIZE)] == values
    sizes = [len(value) for value in values]
    assert 380 < sum(sizes) / len(sizes) < 420
