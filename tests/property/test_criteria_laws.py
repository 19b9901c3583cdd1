"""A compiled condition holds where, read word by word, it does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from services.router.lifecycle.criteria import Criterion, compile_condition
from services.router.lifecycle.known import Facts
from shared.playbook import load_playbook
from shared.playbook.conditions import LeadCondition
from shared.points import to_micro
from shared.scores import Signal

PLAYBOOK = load_playbook()
SIGNALS = sorted(PLAYBOOK.signals)[:6]
NOW = datetime(2026, 11, 16, 9, tzinfo=UTC)
READ: TypeAdapter[Any] = TypeAdapter(LeadCondition)

Told = dict[str, Any]
"""A condition as a playbook has it."""

_names = st.sampled_from(SIGNALS)
_leaf: st.SearchStrategy[Told] = st.one_of(
    st.builds(lambda name: {"signal": name}, _names),
    st.builds(lambda name, other: {"signal": name, "later_than": other}, _names, _names),
    st.builds(lambda points: {"total_over": float(points)}, st.integers(0, 3)),
    st.builds(lambda level: {"level_at_least": level}, st.integers(1, 4)),
)


def _parts(inner: st.SearchStrategy[Told]) -> st.SearchStrategy[Told]:
    several = st.lists(inner, min_size=1, max_size=4)
    return st.one_of(
        st.builds(lambda parts: {"any": parts}, several),
        st.builds(lambda parts: {"all": parts}, several),
        st.builds(lambda count, parts: {"at_least": count, "of": parts}, st.integers(1, 5), several),
        st.builds(lambda part: {"not": part}, inner),
    )


conditions = st.recursive(_leaf, _parts, max_leaves=8)
shown = st.dictionaries(_names, st.integers(0, 3).map(lambda minutes: NOW + timedelta(minutes=minutes)))


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    signals = {name: Signal(first=at, last=at, times=1, event_id="e") for name, at in draw(shown).items()}
    total = to_micro(draw(st.integers(0, 4)))
    return Facts(NOW, signals, total, 0, draw(st.integers(0, 4)), {}, since=draw(st.none() | st.just(NOW)))


def is_true(told: Told, known: Facts) -> bool:  # noqa: PLR0911 - one per kind
    """The condition, word by word."""
    match told:
        case {"signal": name, "later_than": other}:
            return is_true({"signal": name}, known) and (
                other not in known.signals or known.signals[name].last > known.signals[other].last
            )
        case {"signal": name}:
            return name in known.signals and (known.since is None or known.signals[name].last > known.since)
        case {"total_over": points}:
            return known.total > to_micro(points)
        case {"level_at_least": level}:
            return known.level >= int(level)
        case {"any": parts}:
            return any(is_true(part, known) for part in parts)
        case {"all": parts}:
            return all(is_true(part, known) for part in parts)
        case {"at_least": count, "of": parts}:
            return sum(is_true(part, known) for part in parts) >= int(count)
    return not is_true(told["not"], known)


def compiled(told: Told) -> Criterion:
    return compile_condition(READ.validate_python(told), PLAYBOOK)


@given(conditions, facts())
def test_it_holds_where_it_is_true(told: Told, known: Facts) -> None:
    assert compiled(told).holds(known) is is_true(told, known)


@given(conditions, facts())
def test_without_any_of_its_signals_it_does_not_hold(told: Told, known: Facts) -> None:
    criterion = compiled(told)
    if criterion.holds(known) and criterion.signals is not None:
        assert criterion.signals & known.signals.keys()
