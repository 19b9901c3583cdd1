"""What several identities have gathered, together: as if one of them had done all of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from services.scorer.scoring.campaigns import add_campaigns
from services.scorer.scoring.line import all_days, keep_first
from services.scorer.scoring.parts import RuleState, SignalState
from services.scorer.scoring.state import LeadState, decode_state, encode_state
from services.scorer.scoring.times import BEFORE_ALL
from shared.playbook.conditions import MOST_RECENT

GATHERED = ("time", "epoch", "fields", "behaviour", "signals", "levels", "reading", "exact", "ignored", "campaigns")


def gathered(state: LeadState) -> bytes:
    """What follows from a lead's events and nothing else, as a state of its own."""
    return encode_state(LeadState(**{name: getattr(state, name) for name in GATHERED}))


def gathered_here(state: LeadState) -> bytes:
    """The same with its mails: acts are judged where they are told of, so that nobody else has to know them."""
    return encode_state(LeadState(**{name: getattr(state, name) for name in (*GATHERED, "mails")}))


def unite(state: LeadState, parts: Iterable[bytes], once: Collection[str], reading: int) -> None:
    """Let `state` hold all that the parts have gathered, each of which is what `gathered` gives. `once`: the rules that
    count once; `reading` is the playbook's: parts that another one has read are not exact. The latest line of a part is
    that of all, and days before it are to be dropped."""
    state.time, state.epoch, state.exact, state.reading = BEFORE_ALL, 0, True, reading
    state.fields, state.behaviour, state.signals, state.levels = {}, {}, {}, {}
    state.ignored, state.campaigns = {}, {}
    for part in map(decode_state, parts):
        _add(state, part, once)
        state.exact = state.exact and part.exact and part.reading in {0, reading}
    state.follow("")


def _add(state: LeadState, part: LeadState, once: Collection[str]) -> None:
    state.time, state.epoch = max(state.time, part.time), max(state.epoch, part.epoch)
    for name, told in part.fields.items():
        known = state.fields.get(name)
        if known is None or (told.time, told.event_id) > (known.time, known.event_id):
            state.fields[name] = told
    for id, rule in part.behaviour.items():
        state.behaviour[id] = both(state.behaviour[id], rule, id in once) if id in state.behaviour else rule
    for name, signal in part.signals.items():
        add_signal(state.signals, name, signal)
    for id, last in part.levels.items():
        state.levels[id] = max(last, state.levels.get(id, last))
    add_campaigns(state.campaigns, part.campaigns)
    for reason, times in part.ignored.items():
        state.ignored[reason] = state.ignored.get(reason, 0) + times


def both(one: RuleState, other: RuleState, once: bool) -> RuleState:
    """What two have gathered by one rule; `once`: it counts once."""
    newest = max(one, other, key=lambda rule: (rule.last, rule.event_id))
    days = all_days(one)
    for day, amount in all_days(other).items():
        days[day] = days.get(day, 0) + amount
    whole = RuleState(days, one.times + other.times, newest.last, newest.event_id, max(one.forgot, other.forgot))
    if once:
        keep_first(whole)
    return whole


def add_signal(signals: dict[str, SignalState], name: str, new: SignalState) -> None:
    """One more showing of a signal, or what somebody else has shown of it."""
    signals[name] = both_shown(signals.get(name), new)


def both_shown(one: SignalState | None, other: SignalState) -> SignalState:
    """The same, where it may be that nothing has been shown yet."""
    if one is None:
        return other
    newest = max(one, other, key=lambda signal: (signal.last, signal.event_id))
    recent = one.recent  # most signals nobody counts
    if other.recent:
        recent = sorted((*recent, *other.recent), reverse=True)[:MOST_RECENT]
    return SignalState(
        min(one.first, other.first), newest.last, one.times + other.times, newest.event_id, newest.kept, recent
    )
