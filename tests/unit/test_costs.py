"""Nothing has become much slower: processor time per event, as a multiple of a fixed loop over the same bytes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.load.costs import Subject, ratios, subjects

# What `python -m tests.load.costs` gave last. Whoever makes something faster writes the new figure here.
USUAL = {
    "scorer, benchmark's job": 28.0,
    "scorer, default playbook": 46.0,
    "router, default playbook": 2.9,
    "ingest, batches of 100": 5.6,
}
WORST = 1.8
"""Times the usual: other machines and versions of Python differ by less."""


@pytest.fixture(scope="module")
def measured() -> list[Subject]:
    return subjects()


@pytest.fixture(scope="module")
def found(measured: list[Subject]) -> dict[str, float]:
    return ratios(measured)


@pytest.mark.parametrize("name", USUAL)
def test_an_event_costs_no_more_than_it_did(found: dict[str, float], name: str) -> None:
    assert found[name] <= USUAL[name] * WORST, (
        f"{name}: {found[name]:.1f} times the fixed loop, where {USUAL[name]} was usual: look for what has become "
        "slower (py-spy, or `python -m cProfile -m tests.load.costs`), or say in USUAL what it is worth"
    )


def test_what_is_held_is_all_that_is_measured(found: dict[str, float]) -> None:
    assert found.keys() == USUAL.keys()


def test_twice_the_work_is_seen_as_twice_the_cost(measured: list[Subject]) -> None:
    (once,) = (subject for subject in measured if subject.name.startswith("ingest"))

    def run() -> None:
        once.run()
        once.run()

    seen = ratios([once, replace(once, name="twice", run=run)])
    assert 1.5 < seen["twice"] / seen[once.name] < 2.7
