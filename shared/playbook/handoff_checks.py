"""References in the parts of a playbook that say what becomes of hand-offs and of leads that come back."""

from __future__ import annotations

from collections.abc import Iterator

from shared.playbook.findings import Finding, Path, unknown
from shared.playbook.schema import Playbook


def stages_of_recycling(playbook: Playbook) -> set[str]:
    """Stages that leads come to by being recycled."""
    rules = playbook.recycling.values()
    return {playbook.rejection.to, *(rule.to for rule in rules), *(rule.through for rule in rules if rule.through)}


def handoff_references(playbook: Playbook) -> Iterator[Finding]:
    """Signals and stages that do not exist, and ways of coming back that lead forward."""
    stages = [stage.id for stage in playbook.stages]
    for place, signal in _signals(playbook):
        if signal is not None and signal not in playbook.signals:
            yield place, unknown("signal", signal, playbook.signals)
    for id, rule in playbook.recycling.items():
        path: Path = ("recycling", id)
        for index, stage in enumerate(rule.from_):
            if stage not in stages:
                yield (*path, "from", index), unknown("stage", stage, stages)
            elif stage in (rule.to, rule.through):
                yield (*path, "from", index), f"'{stage}' is where the rule leads to; expected stages before that"
        for key, stage_id in (("to", rule.to), ("through", rule.through)):
            if stage_id is not None and stage_id not in stages:
                yield (*path, key), unknown("stage", stage_id, stages)
        if rule.through is not None and rule.through == rule.to:
            yield (*path, "through"), "expected another stage than 'to'"
    for id, follow_up in playbook.follow_ups.items():
        for index, stage in enumerate(follow_up.stages):
            if stage not in stages:
                yield ("follow_ups", id, "stages", index), unknown("stage", stage, stages)


def _signals(playbook: Playbook) -> Iterator[tuple[Path, str | None]]:
    yield ("handoffs", "first_contact"), playbook.handoffs.first_contact
    for id, rule in playbook.recycling.items():
        yield ("recycling", id, "silent"), rule.silent
    for id, follow_up in playbook.follow_ups.items():
        yield ("follow_ups", id, "since"), follow_up.since
    if playbook.alerts.visit is not None:
        yield ("alerts", "visit", "signal"), playbook.alerts.visit.signal
