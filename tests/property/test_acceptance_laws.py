"""Whatever anybody writes into `events`: scorer and router take the same of it, and can write what they make of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.router.contact import ContactReader
from services.scorer.apply import Applying, Codec
from services.scorer.scoring import Scorer
from services.scorer.scoring.state import decode_state, encode_state, playbook_of
from shared.acceptance import accepted
from shared.events import Kind
from shared.playbook import load_playbook
from shared.scores import decode_score, encode_score
from shared.topics import Topics

PLAYBOOK, TOPICS = load_playbook(), Topics("t.")
CONTACTS = ContactReader(PLAYBOOK)
NOW = datetime(2026, 4, 1, 9, 30, tzinfo=UTC)

VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**320), 10**320),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=5),
        st.sampled_from(
            [" ", "\0", " 大阪 ", "Narnia", "x" * 300, " " * 300, "製造", 10**30, 2**63, -(2**63), -(2**63) - 1]
        ),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(["name", "state"]), inner)),
    max_leaves=4,
)
PATHS = sorted({path for field in PLAYBOOK.fields.values() for path in field.paths} | {"company", "address"})
KEPT = sorted({path for rule in PLAYBOOK.signals.values() for path in rule.keep} | {"path", "medium"})
TIMES = st.one_of(
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 4, 1), timezones=st.just(UTC)).map(datetime.isoformat),
    st.sampled_from(
        ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "2026-01-01T00:00:00"]
    ),
)


@dataclass
class Record:
    key: bytes | None
    value: bytes | None
    offset: int = 0
    topic: str = TOPICS.events
    partition: int = 0
    headers: tuple[()] = ()
    timestamp: int = 2**42


@st.composite
def records(draw: st.DrawFn) -> Record:
    key = draw(st.sampled_from(["lead", "lead", "lead", "", "a\0", "a" * 1_200]))
    event = {
        "kind": draw(st.sampled_from(Kind)),
        "id": draw(st.text(max_size=3)),
        "source": draw(st.sampled_from(["web", "tasuki/router"])),
        "key": key,
        "time": draw(TIMES),
        "received_at": draw(st.sampled_from(["2026-04-01T00:00:00Z", "2026-04-01T00:00:00Z", "9999-01-01T00:00:00Z"])),
        "name": draw(st.sampled_from(["Deal Won", "Deal Registered", "Inquiry Submitted", "x"])),
        "traits": draw(st.dictionaries(st.sampled_from(PATHS), VALUES, max_size=4)),
        "properties": draw(st.dictionaries(st.sampled_from(KEPT), VALUES, max_size=4)),
    }
    if draw(st.integers(0, 4)) == 0:
        event |= {"kind": Kind.RECYCLE, "traits": {}, "properties": {"reason": "lost"}}
    return Record(draw(st.sampled_from([key, key, key, "else"])).encode(), msgspec.json.encode(_readable(event)))


CODEC = Codec(encode_state, decode_state, playbook_of)


@given(records())
def test_whatever_is_accepted_can_be_written_and_the_rest_is_buried(record: Record) -> None:
    applied = Applying(TOPICS, Scorer(PLAYBOOK), CODEC).apply([record], {}.get, NOW)
    try:
        event = accepted(record.key, record.value, record.timestamp)
    except ValueError:
        assert (applied.dead_letters, applied.changes) == (1, {})
        return
    assert applied.dead_letters == 0
    raw = applied.changes[event.key]
    assert encode_state(decode_state(raw)) == raw
    scores = [decode_score(output.value or b"") for output in applied.outputs]
    assert [encode_score(score) for score in scores] == [output.value for output in applied.outputs]
    facts = [fact for signal in scores[-1].signals.values() for fact in signal.kept.values()]
    assert all(isinstance(fact, str | int | float) and len(str(fact)) <= 330 for fact in facts)


@given(records())
def test_contact_data_and_score_are_read_alike(record: Record) -> None:
    """Whoever is scored as having a telephone number has one, of the same time and event."""
    try:
        event = accepted(record.key, record.value, record.timestamp)
    except ValueError:
        return
    applied = Applying(TOPICS, Scorer(PLAYBOOK), CODEC).apply([record], {}.get, NOW)
    state = decode_state(applied.changes[event.key])
    contacts = {datum.field: datum for datum in CONTACTS.read(record.key, record.value, record.timestamp)}
    assert contacts.keys() == state.fields.keys()
    for name, field in state.fields.items():
        datum = contacts[name]
        assert (datum.value == "") is (field.value is None)
        assert datum.at == datetime.fromtimestamp(field.time // 1000, UTC).replace(microsecond=field.time % 1000 * 1000)
        if not PLAYBOOK.fields[name].personal and isinstance(field.value, str):
            assert datum.value == field.value


def _readable(value: Any) -> Any:
    """JSON as senders write it: whole numbers of any length, which the encoder itself would refuse."""
    if isinstance(value, Mapping):
        return {name: _readable(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_readable(inner) for inner in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return msgspec.Raw(str(value).encode())
    return value
