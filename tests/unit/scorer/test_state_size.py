"""How many bytes a lead takes, in memory and in Kafka."""

from __future__ import annotations

from datetime import UTC, datetime
from statistics import mean

import pytest

from services.scorer.scoring import LeadState, Scorer
from services.scorer.scoring.duplicates import DIGEST_BYTES
from services.scorer.scoring.state import decode_state, encode_state
from shared.events import Logged
from shared.playbook import load_playbook
from shared.topics import DAY_MS
from tests.load.active_leads import active_lead, makeup

END = datetime(2026, 11, 20, 9, tzinfo=UTC)
LEADS, EVENTS = 25, 200
SCORER = Scorer(load_playbook())


def states(share: float, kafka_day: int | None = None) -> list[bytes]:
    """Of leads with 200 events each, of which ten at a time are scored."""
    return [encode_state(_state(f"lead-{number}", share, kafka_day)) for number in range(LEADS)]


def _state(lead: str, share: float, kafka_day: int | None) -> LeadState:
    state = SCORER.new_state()
    log = [
        Logged(offset, kafka_day or int(event.time.timestamp() * 1000) // DAY_MS, event)
        for offset, event in enumerate(active_lead(lead, END, EVENTS, share))
    ]
    for start in range(0, EVENTS, 10):
        SCORER.apply(state, log[start : start + 10], 0)
        state = decode_state(encode_state(state))
    assert sum(rule.times for rule in state.behaviour.values()) > EVENTS / 2
    return state


@pytest.mark.parametrize(
    ("share", "most"),
    [
        pytest.param(0.4, 2_048, id="months on the website, mails, and some of the rest"),
        pytest.param(1.0, 2_600, id="every rule, every signal, every action of every channel"),
    ],
)
def test_an_active_lead_takes_less_than_two_kilobytes_and_one_that_did_everything_a_third_more(
    share: float, most: int
) -> None:
    found = states(share)
    size = mean(map(len, found))
    print(f"{size:.0f} bytes: {makeup(found)}")  # noqa: T201 - shown with -rP
    assert size < most


def test_messages_of_the_last_two_days_take_five_bytes_each() -> None:
    """As after an import, where Kafka takes the whole history on one day."""
    spread, at_once = mean(map(len, states(0.4))), mean(map(len, states(0.4, kafka_day=20_000)))
    assert at_once - spread < EVENTS * DIGEST_BYTES * 1.1
