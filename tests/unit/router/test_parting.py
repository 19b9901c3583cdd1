"""Each score is decided by the playbook that it was made with, in the order of its lane."""

from __future__ import annotations

from msgspec.structs import replace

from services.router.batch import Batch, Received
from services.router.contact import ContactDatum
from services.router.parting import parts
from tests.score_records import MONDAY, Story

EVENTS, SCORES = "events", "scores"


def received(lane: int, offset: int, playbook: str) -> Received:
    record = replace(Story(f"l-{lane}", partition=lane).record(), playbook=playbook)
    return Received(lane, offset, b"k", b"", [], record)


def test_lanes_that_change_at_different_places_come_to_the_same_two_parts() -> None:
    contact = ContactDatum("l-0", "email", "a@b.example", MONDAY, "e")
    batch = Batch(
        contacts=[contact],
        scores=[
            *(received(0, 10, "old"), received(0, 12, "old"), received(0, 13, "new")),
            *(received(1, 5, "new"), received(1, 6, "new")),
            received(2, 7, "old"),
        ],
        offsets={
            (EVENTS, 0): (1, 4),
            (SCORES, 0): (10, 15),
            (SCORES, 1): (5, 7),
            (SCORES, 2): (7, 8),
            (SCORES, 3): (0, 2),
        },
    )
    (first, one), (second, other) = parts(batch, SCORES)
    assert (first, [(item.lane, item.offset) for item in one.scores]) == ("old", [(0, 10), (0, 12), (2, 7)])
    assert one.offsets == {(EVENTS, 0): (1, 4), (SCORES, 0): (10, 13), (SCORES, 2): (7, 8), (SCORES, 3): (0, 2)}
    assert (second, [(item.lane, item.offset) for item in other.scores]) == ("new", [(0, 13), (1, 5), (1, 6)])
    assert other.offsets == {(SCORES, 0): (13, 15), (SCORES, 1): (5, 7)}
    assert (one.contacts, other.contacts) == ([contact], [])


def test_a_lane_that_goes_back_and_forth_keeps_its_order() -> None:
    ids = ["a", "b", "a", "a", "c"]
    scores = [received(0, offset, id) for offset, id in enumerate(ids)]
    found = parts(Batch(scores=scores, offsets={(SCORES, 0): (0, 5)}), SCORES)
    assert [(id, [item.offset for item in part.scores]) for id, part in found] == [
        ("a", [0]), ("b", [1]), ("a", [2, 3]), ("c", [4]),
    ]  # fmt: skip
    assert [part.offsets[SCORES, 0] for _, part in found] == [(0, 1), (1, 2), (2, 4), (4, 5)]
