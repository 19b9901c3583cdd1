"""What is stored of a lead in fewer bytes is the same lead."""

from __future__ import annotations

import uuid
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scorer.scoring.duplicates import DIGEST_BYTES, MAX_REMEMBERED, fresh
from services.scorer.scoring.parts import Account, FieldValue, RuleState, SignalState
from services.scorer.scoring.squeezing import pack_days, squeeze, unpack_days, unsqueeze
from services.scorer.scoring.state import LARGE, LeadState, StateError, decode_state, encode_state, playbook_of

IDS = st.one_of(st.uuids().map(str), st.uuids().map(lambda id: f"ajs-next-1785337200000-{str(id).upper()}"), st.text())
TIMES = st.integers(-(10**14), 10**14)
DAYS = st.dictionaries(st.integers(1, 3_652_059), st.one_of(st.integers(0, 300), st.integers(-(10**12), 10**12)))
NEAR_DAYS = st.dictionaries(st.integers(739_000, 739_300), st.integers(1, 255))
RULES = st.builds(
    RuleState, st.one_of(DAYS, NEAR_DAYS), st.integers(0, 10**6), TIMES, IDS, st.integers(0, 739_000), DAYS
)
TEXTS = st.dictionaries(st.text(), st.text(max_size=300))
MICRO = st.integers(-(10**12), 10**12)
ACCOUNTS = st.builds(Account, MICRO, TIMES, MICRO, MICRO)


@st.composite
def states(draw: st.DrawFn) -> LeadState:
    behaviour = draw(st.dictionaries(st.text(), RULES, max_size=20))
    return LeadState(
        seq=draw(st.integers(0, 10**6)),
        time=draw(TIMES),
        fields=draw(st.dictionaries(st.text(), st.builds(FieldValue, st.text(), TIMES, IDS))),
        behaviour=behaviour,
        signals=draw(st.dictionaries(st.text(), st.builds(SignalState, TIMES, TIMES, st.integers(1, 99), IDS, TEXTS))),
        levels=draw(st.dictionaries(st.text(), TIMES)),
        seen=draw(st.dictionaries(st.integers(1, 30_000), st.binary(max_size=2_000), max_size=2)),
        playbook=draw(st.text()),
        past={id: draw(ACCOUNTS) for id in behaviour},
    )


@given(states())
def test_a_state_is_read_as_it_was_written(state: LeadState) -> None:
    raw = encode_state(state)
    found = decode_state(raw)
    assert playbook_of(raw) == found.playbook == state.playbook
    # Accounts of few days are reckoned anew.
    assert found.past.items() <= state.past.items()
    found.past = state.past
    assert found == state


@given(st.lists(st.one_of(st.binary(), st.uuids().map(lambda id: str(id).encode()))))
def test_any_bytes_are_unsqueezed_as_they_were(parts: list[bytes]) -> None:
    raw = b"".join(parts)
    assert unsqueeze(squeeze(raw, "p")) == raw


@given(st.one_of(DAYS, NEAR_DAYS).filter(bool))
def test_days_are_unpacked_as_they_were_packed(days: dict[int, int]) -> None:
    packed = pack_days(days)
    assert packed is None or unpack_days(packed) == days


def test_months_of_days_take_two_bytes_each() -> None:
    packed = pack_days({739_000 + 2 * number: number for number in range(1, 101)})
    assert packed is not None
    assert len(packed) < 210


def test_what_is_no_state_is_refused_and_not_guessed() -> None:
    large = encode_state(LeadState(playbook="p" * LARGE))
    for raw in (b"", b"\xc1", b"\xc1\x93", large[:-9], large[:20], b"\x91\xfe", b"\xff"):
        with pytest.raises(StateError):
            decode_state(raw)


class Taken(NamedTuple):
    digest: bytes
    day: int


def is_first(state: LeadState, digest: bytes, day: int) -> bool:
    return bool(fresh(state, [Taken(digest, day)]))


DIGESTS = st.lists(st.binary(min_size=DIGEST_BYTES, max_size=DIGEST_BYTES).map(lambda b: bytes(x % 3 for x in b)))


@given(DIGESTS)
def test_messages_are_told_apart_also_where_one_stands_across_two_others(digests: list[bytes]) -> None:
    """Digests of three values only, so that one often is found across the border of two."""
    state, known = LeadState(), set()
    for digest in digests:
        assert is_first(state, digest, 5) == (digest not in known)
        known.add(digest)


TAKEN = st.builds(Taken, st.sampled_from([b"aaaaa", b"bbbbb", b"ccccc"]), st.integers(0, 4))


@given(st.lists(TAKEN), st.integers(0, 20))
def test_copies_are_told_apart_alike_however_the_log_is_cut(log: list[Taken], cut: int) -> None:
    whole, parts = LeadState(), LeadState()
    assert fresh(whole, log) == fresh(parts, log[:cut]) + fresh(parts, log[cut:])
    assert whole.seen == parts.seen


def test_no_more_messages_are_remembered_than_the_most_and_the_oldest_go_first() -> None:
    state, ids = LeadState(), [uuid.uuid4().bytes[:DIGEST_BYTES] for _ in range(MAX_REMEMBERED + 10)]
    for number, digest in enumerate(ids):
        assert is_first(state, digest, 1 + number // 600)
    assert sum(map(len, state.seen.values())) == MAX_REMEMBERED * DIGEST_BYTES
    assert not any(is_first(state, digest, 2) for digest in ids[10:]), "all of these are remembered"
    assert is_first(state, ids[0], 2), "beyond the bound a copy counts again"


def test_days_long_over_are_forgotten_and_late_ones_not_begun() -> None:
    state = LeadState()
    assert is_first(state, b"aaaaa", 7)
    assert is_first(state, b"bbbbb", 9)
    assert state.seen == {9: b"bbbbb"}
    assert is_first(state, b"ccccc", 7)
    assert state.seen == {9: b"bbbbb"}
    assert is_first(state, b"ddddd", 8)
    assert not is_first(state, b"ddddd", 9)
