"""The benchmark compares engines that do the same: ours and the Python peers agree with its reference."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.scorer.apply import Applying, Codec
from services.scorer.scoring import Scorer
from services.scorer.scoring.state import decode_state, encode_state, playbook_of
from shared.events import decode_event
from shared.playbook import load_playbook
from shared.topics import Topics
from tests.load.bench.engines import ENGINES
from tests.load.bench.states import Logged
from tests.load.job.events import Size, backlog
from tests.load.job.reference import Reference, Result
from tests.load.scorer_bench import TOLERANCE_MICRO, differences

LOAD = Path(__file__).parents[1] / "load"
PLAYBOOK = LOAD / "job" / "playbook.yaml"
SIZE = Size(events=4000, leads=300, visitors=0.5)
TOPICS = Topics()
AT = datetime(2026, 11, 1, tzinfo=UTC)
AT_MS = int(AT.timestamp() * 1000)


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
    for name in ("leads", "rules", "state"):
        del sys.modules[name]


def test_our_scorer_agrees_with_the_reference(values: list[bytes], expected: dict[str, Result]) -> None:
    applying = Applying(TOPICS, Scorer(load_playbook(PLAYBOOK)), Codec(encode_state, decode_state, playbook_of))
    log = [(decode_event(value).key.encode(), value) for value in values]
    states: dict[str, bytes] = {}
    found: dict[str, Result] = {}
    first = 0
    while first < len(log):  # what it tells itself comes behind the events, and in the middle of the next batch's
        batch = [Logged(place, *log[place], AT_MS) for place in range(first, min(first + 500, len(log)))]
        applied = applying.apply(batch, states.get, AT)
        assert not applied.dead_letters
        states |= applied.changes
        log += [(output.key or b"", output.value or b"") for output in applied.outputs if output.topic == TOPICS.events]
        for output in applied.outputs:
            if output.topic == TOPICS.scores:
                ENGINES["tasuki"].read(found, output.value or b"")
        first += len(batch)
    assert not differences(expected, found, TOLERANCE_MICRO)


@pytest.mark.parametrize("delay", [0, 100, 10_000])
def test_the_python_peers_agree_with_the_reference(
    delay: int, leads: Any, values: list[bytes], expected: dict[str, Result]
) -> None:
    """`delay`: so many events later comes what one partition tells another."""
    state = sys.modules["state"]
    scoring, now, earlier, parts = leads.Scoring(PLAYBOOK), dict[str, bytes](), dict[str, bytes](), dict[str, bytes]()
    found = dict[str, Result]()
    log = deque(values)
    between = deque[tuple[int, bytes]]()
    empty, new = state.encode_state({}), state.encode_state(state.Now())
    at = 0
    while log or between:
        raw = between.popleft()[1] if between and (between[0][0] <= at or not log) else log.popleft()
        at += 1
        message = leads.decode_message(raw)
        key = leads.key_of(message)
        lead = state.Lead(
            state.decode_now(now.get(key, new)),
            lambda key=key: state.decode_earlier(earlier.get(key, empty)),
            lambda key=key: state.decode_parts(parts.get(key, empty)),
        )
        scoring.apply(lead, message)
        now[key] = state.encode_state(lead.now)
        if lead.earlier_loaded:
            earlier[key] = state.encode_state(lead.earlier)
        if lead.parts_loaded:
            parts[key] = state.encode_state(lead.parts)
        if shown := scoring.shown(key, lead):
            ENGINES["quix"].read(found, state.encode_score(shown))
        for told in (scoring.told(key, lead), leads.link_of(message)):
            if told is not None:
                between += [(at + delay, state.encode_state(told))] * 2  # at least once
    assert not differences(expected, found, TOLERANCE_MICRO)


def test_visitors_become_known(values: list[bytes]) -> None:
    reference = Reference(PLAYBOOK)
    for value in values:
        reference.add(value)
    merged = {lead: result.merged_into for lead, result in reference.results().items() if result.merged_into}
    assert len(merged) == reference.merged > 10
    assert all(visitor.startswith("anon:") and user.startswith("lead-") for visitor, user in merged.items())
    known, told_late = set[str](), 0
    for event in map(decode_event, values):
        if event.user_id and event.anonymous_id:
            known.add(f"anon:{event.anonymous_id}")
        told_late += event.key in known
    assert told_late, "of some visitors more is heard when they are known already"


@pytest.mark.parametrize(
    "found",
    [
        {"a": Result(5_001_001, 2)},
        {"a": Result(5_000_000, 1)},
        {"a": Result(5_000_000, 2, "b")},
        {},
        {"a": Result(5_000_000, 2), "c": Result(0, 0)},
    ],
    ids=["total", "level", "merged", "missing", "strange"],
)
def test_every_difference_is_seen(found: dict[str, Result]) -> None:
    expected = {"a": Result(5_000_000, 2)}
    assert not differences(expected, {"a": Result(5_001_000, 2)}, TOLERANCE_MICRO)
    assert len(differences(expected, found, TOLERANCE_MICRO)) == 1


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
