"""References in the parts of a playbook that say what becomes of hand-offs and of leads that come back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from shared.playbook.findings import Finding, Path, unknown
from shared.playbook.handoffs import RecyclingRule
from shared.playbook.schema import Playbook

RESERVED = ("rejected", "returned")


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
        yield from _recycling(id, rule, playbook)
    for place, stage_id in _targets(playbook):
        if any(stage.id == stage_id and stage.excluded for stage in playbook.stages):
            yield place, f"'{stage_id}' is an exclusion; expected a stage that leads go on from"
    for id, follow_up in playbook.follow_ups.items():
        for index, stage in enumerate(follow_up.stages):
            if stage not in stages:
                yield ("follow_ups", id, "stages", index), unknown("stage", stage, stages)


def _recycling(id: str, rule: RecyclingRule, playbook: Playbook) -> Iterator[Finding]:
    path: Path = ("recycling", id)
    stages = [stage.id for stage in playbook.stages]
    not_worked = {*stages[:1], *(stage.id for stage in playbook.stages if stage.excluded)}
    if id in RESERVED:
        yield path, "expected another name: so leads are called whose hand-off was rejected, or returned"
    if rule.silent_for is not None and rule.silent_for < timedelta(days=1):
        yield (*path, "silent_for"), "expected a day or more"
    for index, stage_id in enumerate(rule.from_):
        if stage_id not in stages:
            yield (*path, "from", index), unknown("stage", stage_id, stages)
        elif stage_id in (rule.to, rule.through):
            yield (*path, "from", index), f"'{stage_id}' is where the rule leads to; expected stages before that"
        elif stage_id in not_worked:
            yield (*path, "from", index), f"at '{stage_id}' nobody works a lead; expected later stages"
    for key, target in (("to", rule.to), ("through", rule.through)):
        if target is not None and target not in stages:
            yield (*path, key), unknown("stage", target, stages)
    entered = {*stages[:1], *(stage.id for stage in playbook.stages if stage.when is not None)}
    if rule.through in entered or rule.through in {stage_id for _, stage_id in _targets(playbook)}:
        yield (*path, "through"), "expected a stage without 'when' that no 'to' leads to: leads only wait there"


def _targets(playbook: Playbook) -> Iterator[tuple[Path, str]]:
    yield ("rejection", "to"), playbook.rejection.to
    for id, rule in playbook.recycling.items():
        yield ("recycling", id, "to"), rule.to


def _signals(playbook: Playbook) -> Iterator[tuple[Path, str | None]]:
    yield ("handoffs", "first_contact"), playbook.handoffs.first_contact
    for id, rule in playbook.recycling.items():
        yield ("recycling", id, "silent"), rule.silent
    for id, follow_up in playbook.follow_ups.items():
        yield ("follow_ups", id, "since"), follow_up.since
    if playbook.alerts.visit is not None:
        yield ("alerts", "visit", "signal"), playbook.alerts.visit.signal
