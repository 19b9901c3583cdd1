"""Laws of the score: it depends on the set of events and the time, and on nothing else."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.scorer.scoring import LeadState, Scorer
from services.scorer.scoring.duplicates import messages
from services.scorer.scoring.state import decode_state, encode_state
from services.scorer.scoring.times import from_ms, to_ms
from shared.events import Event, Kind, Logged
from shared.playbook import Playbook, load_playbook
from shared.points import bounded, to_micro
from shared.recycling import recycle_event
from shared.scores import Contribution, Position, ScoreRecord, falls_below, score_at, worth_at
from tests.property import mails
from tests.property.playbooks import playbooks, successors

SCORER = Scorer(load_playbook())
SCORERS = st.one_of(st.just(SCORER), playbooks().map(Scorer))
START = datetime(2026, 1, 1, tzinfo=UTC)
RECEIVED = START + timedelta(days=400)
NAMES = ["Document Downloaded", "Webinar Attended", "Email Clicked", "Newsletter Joined", "Email Unsubscribed",
         "Inquiry Submitted", "Deal Won", "Lead Listed", "Webinar Booked", "Booth Visited", "Unheard Of"]  # fmt: skip
TRAITS = st.fixed_dictionaries(
    {},
    optional={
        "title": st.sampled_from(["部長", "担当", "CEO", ""]),
        "company": st.fixed_dictionaries(
            {"employees": st.integers(0, 3000), "industry": st.sampled_from(["製造", "小売"])}
        ),
        "email": st.sampled_from(["taro@acme.example", "taro@beta.example"]),
        "prefecture": st.sampled_from(["大阪", "Tokyo", "nowhere"]),
    },
)


PROPERTIES = {
    Kind.TRACK: st.fixed_dictionaries(
        {
            "list": st.just("bdr_research"),
            "webinar": st.sampled_from(["a", "b", None]),
            "ends_at": st.sampled_from(["2026-06-01", "2026-09-01", None]),
        },
        optional={"usage": st.sampled_from([1, 2.5, -3, "7", "many", 1e9, True])},
    ),
    Kind.PAGE: st.fixed_dictionaries({"path": st.sampled_from(["/", "/pricing", "/product/a"])}),
    Kind.IDENTIFY: st.just({}),
}


@st.composite
def events(draw: st.DrawFn) -> list[Event]:
    """Distinct events of one lead, in any order of time."""
    count = draw(st.integers(1, 25))
    return mails.kept([_event(draw, f"m{number}") for number in range(count)], lambda event: (event.name, event.key))


def _event(draw: st.DrawFn, id: str) -> Event:
    time = START + timedelta(minutes=draw(st.integers(0, 60 * 24 * 365)))
    if draw(st.integers(0, 9)) == 0:
        return recycle_event("lead-1", id, "unresponsive", time)
    if draw(st.integers(0, 2)) == 0:
        name, time, properties = draw(mails.told())
        return Event(
            kind=Kind.TRACK, id=id, source="web", key="lead-1", time=time, received_at=RECEIVED, name=name,
            properties=properties, historical=draw(st.booleans()),
        )  # fmt: skip
    kind = draw(st.sampled_from([Kind.TRACK, Kind.TRACK, Kind.PAGE, Kind.IDENTIFY]))
    return Event(
        kind=kind,
        id=id,
        source="web",
        key="lead-1",
        time=time,
        received_at=RECEIVED,
        name=draw(st.sampled_from(NAMES)) if kind is Kind.TRACK else "",
        properties=draw(PROPERTIES[kind]),
        traits=draw(TRAITS) if kind is Kind.IDENTIFY else {},
        historical=draw(st.booleans()),
    )


def run(log: list[Event], cuts: set[int] | None = None, scorer: Scorer = SCORER) -> tuple[LeadState, list[ScoreRecord]]:
    """Apply a log in batches that begin at the given indexes; in between the state passes through its
    encoding, as it does in the scorer, or goes on as it is, or what is derived from it is derived anew."""
    state, records = scorer.new_state(), []
    starts = sorted({0, *(cuts or set()), len(log)})
    for start, end in pairwise(starts):
        records += scorer.apply(state, [Logged(offset, 20_000, log[offset]) for offset in range(start, end)], 0)
        if end % 3:
            state = decode_state(encode_state(state))
        if end % 3 == 2:
            state.follow("another playbook")
    return decode_state(encode_state(state)), records


def comparable(state: LeadState) -> LeadState:
    """Without what counts records, as how many there are depends on the order, and without what is derived; the
    messages seen as a set.

    What is kept beside the score, to take acts back, drops days that count no more only when it is asked for."""
    state.seq = 0
    state.seen = {day: b"".join(sorted(messages(ids))) for day, ids in state.seen.items()}
    if (mails := state.mails) is not None:
        for rule in mails.behaviour.values():
            rule.days, rule.forgot, rule.spare = {}, 0, {}
        for act in mails.acts:
            act.counted = dict.fromkeys(act.counted, (0, None))
    state.follow("")
    return state


@given(events(), SCORERS, st.randoms(use_true_random=False))
def test_order_does_not_matter(log: list[Event], scorer: Scorer, random: Random) -> None:
    shuffled = log.copy()
    random.shuffle(shuffled)
    (state, records), (other, others) = run(log, scorer=scorer), run(shuffled, scorer=scorer)
    assert comparable(state) == comparable(other)
    first, second = records[-1], others[-1]
    for name in ("total", "attribute", "behaviour", "dimensions", "grade", "level", "decay"):
        assert getattr(first, name) == getattr(second, name)
    assert by_rule(first) == by_rule(second)


class Ruled:
    """A playbook that is not printed with each failure."""

    def __init__(self, playbook: Playbook) -> None:
        self.scorer, self.limits = Scorer(playbook), playbook.totals_that_matter()

    def __repr__(self) -> str:
        return f"a playbook with thresholds {sorted(self.limits)}"


@given(events(), st.one_of(st.just(load_playbook()), playbooks()).map(Ruled))
def test_whatever_passes_a_threshold_has_a_record(log: list[Event], ruled: Ruled) -> None:
    scorer, limits = ruled.scorer, ruled.limits
    _, each = run(log, set(range(1, len(log))), scorer)
    over = [(record.position.offset, sum(record.total > limit for limit in limits)) for record in each]
    unknown = (-1, sum(limit < 0 for limit in limits))
    passing = {offset for (offset, now), (_, before) in pairwise(reversed([unknown, *over])) if now != before}
    assert passing <= {record.position.offset for record in run(log, None, scorer)[1]}


@given(events(), SCORERS, st.sets(st.integers(1, 24)))
def test_batches_do_not_matter(log: list[Event], scorer: Scorer, cuts: set[int]) -> None:
    state, records = run(log, scorer=scorer)
    other, others = run(log, {cut for cut in cuts if cut < len(log)}, scorer)
    assert comparable(state) == comparable(other)
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


@given(events(), successors(), st.integers(0, 25))
def test_after_a_change_of_rules_the_score_is_that_of_the_new_ones_or_says_that_it_is_not(
    log: list[Event], playbooks: tuple[Playbook, Playbook], cut: int
) -> None:
    before, after = Scorer(playbooks[0]), Scorer(playbooks[1])
    logged = [Logged(offset, 20_000, event) for offset, event in enumerate(log)]
    state = before.new_state()
    if logged[:cut]:
        before.apply(state, logged[:cut], 0)
    state = decode_state(encode_state(state))
    told = after.apply(state, logged[cut:], 0)
    if told and told[-1].exact:
        anew = after.apply(after.new_state(), logged, 0)[-1]
        assert anew.exact
        for name in ("total", "attribute", "behaviour", "dimensions", "level", "decay"):
            assert getattr(told[-1], name) == getattr(anew, name)
        assert by_rule(told[-1]) == by_rule(anew)


@given(events(), successors(), st.integers(0, 25), st.integers(0, 500))
def test_scored_anew_by_other_rules_a_lead_is_as_if_they_had_been_its_own_always(
    log: list[Event], playbooks: tuple[Playbook, Playbook], cut: int, days: int
) -> None:
    """In its record, which tells of the moment of the change, and in all that follows from later events."""
    before, after = Scorer(playbooks[0]), Scorer(playbooks[1])
    logged = [Logged(offset, 20_000, event) for offset, event in enumerate(log)]
    known, later = logged[: cut + 1], logged[cut + 1 :]
    state, at = before.new_state(), START + timedelta(days=days)
    last_seq = before.apply(state, known, 0)[-1].seq
    state = decode_state(encode_state(state))
    record = after.rescore(state, "lead-1", Position(0, known[-1].offset), to_ms(at))
    assert record is not None
    assert (record.seq, record.playbook, record.historical, record.reported) == (
        last_seq + 1,
        after.playbook_id,
        False,
        {},
    )
    assert record.time == max(at, from_ms(max(to_ms(one.event.time) for one in known)))
    state = decode_state(encode_state(state))
    assert (state.seq, state.playbook) == (record.seq, after.playbook_id)
    if record.exact:
        anew = after.new_state()
        after.apply(anew, known, 0)
        assert_same(record, worthless_at(record.time, after, anew, len(log)))
        if state.is_internal:
            anew.exact = state.exact  # a colleague's score is nothing by any rules, and so its record is exact
        assert comparable(state) == comparable(decode_state(encode_state(anew)))
    if later and (told := after.apply(state, later, 0)[-1]).exact:
        assert_same(told, after.apply(after.new_state(), logged, 0)[-1])


def worthless_at(time: datetime, scorer: Scorer, state: LeadState, offset: int) -> ScoreRecord:
    """The lead's record after an event at `time` that earns nothing; the state is left as it is."""
    nothing = Event(
        kind=Kind.TRACK, id="nothing", source="web", key="lead-1", time=time, received_at=time, name="Nothing"
    )
    return scorer.apply(decode_state(encode_state(state)), [Logged(offset, 20_000, nothing)], 0)[-1]


def assert_same(one: ScoreRecord, other: ScoreRecord) -> None:
    for name in ("total", "attribute", "behaviour", "dimensions", "grade", "level", "level_until", "decay", "signals"):
        assert getattr(one, name) == getattr(other, name)
    assert by_rule(one) == by_rule(other)


def by_rule(record: ScoreRecord) -> list[Contribution]:
    return sorted(record.contributions, key=lambda part: part.rule)


@given(events(), SCORERS, st.data())
def test_copies_do_not_matter(log: list[Event], scorer: Scorer, data: st.DataObject) -> None:
    copies = data.draw(st.lists(st.sampled_from(log)))
    state, _ = run(log, scorer=scorer)
    assert comparable(state) == comparable(run(log + copies, scorer=scorer)[0])


@given(events(), SCORERS)
def test_every_point_is_explained_and_the_decay_terms_tell_the_same(log: list[Event], scorer: Scorer) -> None:
    for record in run(log, scorer=scorer)[1]:
        of: Counter[str] = Counter()
        for one in record.contributions:
            of[one.dimension] += to_micro(one.points)
        assert of["attribute"] == to_micro(record.attribute)
        assert of["behaviour"] == to_micro(record.behaviour)
        assert of["attribute"] + of["behaviour"] + of["bounds"] == to_micro(record.total)
        assert of["adoption"] == to_micro(record.dimensions.get("adoption", 0.0))
        unbounded = score_at(record.attribute, record.decay, record.time)
        assert unbounded == of["attribute"] + of["behaviour"]
        assert bounded(unbounded, record.at_least, record.at_most) == to_micro(record.total)
        assert worth_at(record.decay, record.time, "adoption") == of["adoption"]


@given(events(), SCORERS, st.integers(1, 400))
def test_time_alone_makes_of_a_score_what_its_decay_terms_tell(log: list[Event], scorer: Scorer, days: int) -> None:
    """A later event that earns nothing, and moves the time on, finds what the last record foretold."""
    ordered = sorted(log, key=lambda event: event.time)
    later = msgspec.structs.replace(
        ordered[-1], id="later", kind=Kind.TRACK, name="Nothing", time=ordered[-1].time + timedelta(days=days),
        received_at=RECEIVED + timedelta(days=400), properties={}, traits={},
    )  # fmt: skip
    *_, before, after = run([*ordered, later], {len(ordered)}, scorer)[1]
    foretold = score_at(before.attribute, before.decay, after.time)
    # A term is the sum of several accounts, of which each is rounded by itself, then and later.
    assert abs(foretold - score_at(after.attribute, after.decay, after.time)) <= 2 + 2 * len(before.contributions)


@given(events(), SCORERS, st.integers(-10, 150))
def test_the_moment_of_cooling_is_exact(log: list[Event], scorer: Scorer, threshold: int) -> None:
    for record in run(log, scorer=scorer)[1]:
        moment = falls_below(record.attribute, record.decay, threshold, after=record.time)
        if moment is None:
            assert record.attribute > threshold
            continue
        for part in (0.1, 0.5, 0.9, 0.999):  # nor at any moment before
            at = record.time + part * (moment - record.time)
            assert at == moment or score_at(record.attribute, record.decay, at) > to_micro(threshold)
        assert score_at(record.attribute, record.decay, moment) <= to_micro(threshold)
        if moment > record.time:
            before = moment - timedelta(milliseconds=1)
            assert score_at(record.attribute, record.decay, before) > to_micro(threshold)
