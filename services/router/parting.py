"""A batch by the playbooks that its scores were made with: each part is decided by its own. Pure."""

from __future__ import annotations

from collections import defaultdict, deque

from services.router.batch import Batch, Received


def parts(batch: Batch, topic: str) -> list[tuple[str, Batch]]:
    """The parts in order, with the id of their playbook; scores of each lane stay in order. `topic` is that of scores.

    Contact data, dead letters, and offsets of places without scores go with the first."""
    waiting: dict[int, deque[Received]] = defaultdict(deque)
    for item in batch.scores:
        waiting[item.lane].append(item)
    rest = {place: span for place, span in batch.offsets.items() if place[0] != topic or place[1] not in waiting}
    next_part = Batch(contacts=batch.contacts, dead=batch.dead, offsets=rest)
    begins = {lane: batch.offsets[topic, lane][0] for lane in waiting}
    found: list[tuple[str, Batch]] = []
    while waiting:
        id, part = next(iter(waiting.values()))[0].record.playbook, next_part
        for lane, scores in list(waiting.items()):
            taken = _leading(id, scores)
            part.scores += taken
            after = scores[0].offset if scores else batch.offsets[topic, lane][1]
            if taken:
                part.offsets[topic, lane] = (begins[lane], after)
                begins[lane] = after
            if not scores:
                del waiting[lane]
        found.append((id, part))
        next_part = Batch()
    return found


def _leading(id: str, scores: deque[Received]) -> list[Received]:
    """Those of this playbook at the front, which are taken out."""
    taken = []
    while scores and scores[0].record.playbook == id:
        taken.append(scores.popleft())
    return taken
