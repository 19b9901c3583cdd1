"""Laws of the score: it depends on the set of events and the time, and on nothing else."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from services.scorer.scoring import LeadState, Scorer
from services.scorer.scoring.state import decode_state, encode_state
from shared.events import Event, Kind, Logged
from shared.playbook import load_playbook
from shared.scores import ScoreRecord, falls_below, score_at, to_micro

SCORER = Scorer(load_playbook())
START = datetime(2026, 1, 1, tzinfo=UTC)
RECEIVED = START + timedelta(days=400)
NAMES = ["Document Downloaded", "Webinar Attended", "Email Link Clicked", "Newsletter Joined", "Email Unsubscribed",
         "Inquiry Submitted", "Deal Won", "Booth Visited", "Unheard Of"]  # fmt: skip
TRAITS = st.fixed_dictionaries(
    {},
    optional={
        "title": st.sampled_from(["部長", "担当", "CEO", ""]),
        "company": st.fixed_dictionaries(
            {"employees": st.integers(0, 3000), "industry": st.sampled_from(["製造", "小売"])}
        ),
        "email": st.just("taro@acme.example"),
        "prefecture": st.sampled_from(["大阪", "Tokyo", "nowhere"]),
    },
)


@st.composite
def events(draw: st.DrawFn) -> list[Event]:
    """Distinct events of one lead, in any order of time."""
    count = draw(st.integers(1, 25))
    return [_event(draw, f"m{number}") for number in range(count)]


def _event(draw: st.DrawFn, id: str) -> Event:
    time = START + timedelta(minutes=draw(st.integers(0, 60 * 24 * 365)))
    kind = draw(st.sampled_from([Kind.TRACK, Kind.TRACK, Kind.PAGE, Kind.IDENTIFY]))
    return Event(
        kind=kind,
        id=id,
        source="web",
        key="lead-1",
        time=time,
        received_at=RECEIVED,
        name=draw(st.sampled_from(NAMES)) if kind is Kind.TRACK else "",
        properties={"path": draw(st.sampled_from(["/", "/pricing", "/product/a"]))} if kind is Kind.PAGE else {},
        traits=draw(TRAITS) if kind is Kind.IDENTIFY else {},
        historical=draw(st.booleans()),
    )


def run(log: list[Event], cuts: set[int] | None = None) -> tuple[LeadState, list[ScoreRecord]]:
    """Apply a log in batches that begin at the given indexes; in between the state passes through its
    encoding, as it does in the scorer, or goes on as it is, or what is derived from it is derived anew."""
    state, records = SCORER.new_state(), []
    starts = sorted({0, *(cuts or set()), len(log)})
    for start, end in pairwise(starts):
        records += SCORER.apply(state, [Logged(offset, 20_000, log[offset]) for offset in range(start, end)], 0)
        if end % 3:
            state = decode_state(encode_state(state))
        if end % 3 == 2:
            state.follow("another playbook")
    return decode_state(encode_state(state)), records


def comparable(state: LeadState) -> LeadState:
    """Without what counts records, as how many there are depends on the order, and without what is derived."""
    state.seq = 0
    state.follow("")
    return state


@given(events(), st.randoms(use_true_random=False))
def test_order_does_not_matter(log: list[Event], random: Random) -> None:
    shuffled = log.copy()
    random.shuffle(shuffled)
    (state, records), (other, others) = run(log), run(shuffled)
    assert comparable(state) == comparable(other)
    first, second = records[-1], others[-1]
    assert (first.total, first.attribute, first.level, first.decay) == (
        second.total,
        second.attribute,
        second.level,
        second.decay,
    )
    assert sorted(first.contributions, key=lambda c: c.rule) == sorted(second.contributions, key=lambda c: c.rule)


@given(events(), st.sets(st.integers(1, 24)))
def test_batches_do_not_matter(log: list[Event], cuts: set[int]) -> None:
    state, records = run(log)
    other, others = run(log, {cut for cut in cuts if cut < len(log)})
    assert comparable(state) == comparable(other)
    assert max(r.highest_total for r in records) == max(r.highest_total for r in others)
    assert decided(records) == decided(others)


def decided(records: list[ScoreRecord]) -> list[tuple[str, int, frozenset[str]]]:
    """Where the signals grew, with the event that did it."""
    seen: frozenset[str] = frozenset()
    found = []
    for record in records:
        if frozenset(record.signals) != seen:
            seen = frozenset(record.signals)
            found.append((record.trigger.event_id, record.position.offset, seen))
    return found


@given(events(), st.data())
def test_copies_do_not_matter(log: list[Event], data: st.DataObject) -> None:
    copies = data.draw(st.lists(st.sampled_from(log)))
    state, _ = run(log)
    assert comparable(state) == comparable(run(log + copies)[0])


@given(events())
def test_every_point_is_explained_and_the_decay_terms_tell_the_same(log: list[Event]) -> None:
    for record in run(log)[1]:
        assert sum(to_micro(c.points) for c in record.contributions) == to_micro(record.total)
        assert score_at(record.attribute, record.decay, record.time) == to_micro(record.total)


@given(events(), st.integers(1, 150))
def test_the_moment_of_cooling_is_exact(log: list[Event], threshold: int) -> None:
    clicks_only = [event for event in log if event.name != "Email Unsubscribed"]
    for record in run(clicks_only)[1]:
        moment = falls_below(record.attribute, record.decay, threshold, after=record.time)
        if moment is None:
            assert record.attribute > threshold
            continue
        assert score_at(record.attribute, record.decay, moment) <= to_micro(threshold)
        if moment > record.time:
            before = moment - timedelta(milliseconds=1)
            assert score_at(record.attribute, record.decay, before) > to_micro(threshold)
