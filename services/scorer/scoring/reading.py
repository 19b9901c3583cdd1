"""Which changes of a playbook a state can follow: all of what things are worth, none of what events mean."""

from __future__ import annotations

import json
from hashlib import blake2b
from importlib.metadata import version
from typing import Any

from shared.playbook.points import BehaviourRule
from shared.playbook.schema import Playbook

_MEANS = {"id", "when", "points_from", "once"}


def reading_of(playbook: Playbook) -> int:
    """A digest, never 0, of all that decides what is kept of an event.

    Points, caps of a day or a week, groups, half-lives, expiry, labels, levels, thresholds, and all of attributes are
    no part of it: from what is kept, the score by the new ones follows exactly. (Of days that a shorter half-life has
    let go see `Behaviour.can_follow`.)"""
    parts = [
        playbook.time_zone,
        playbook.behaviour.late_after.total_seconds(),
        playbook.not_people.model_dump(mode="json"),
        playbook.privacy.model_dump(mode="json"),
        version("crawler-user-agents") if playbook.not_people.crawlers else "",
        sorted((_kept_by(rule, playbook) for rule in playbook.behaviour.rules), key=lambda rule: str(rule["id"])),
        {name: field.model_dump(mode="json", exclude={"label"}) for name, field in playbook.fields.items()},
        playbook.target_accounts.model_dump(mode="json"),
        {name: signal.model_dump(mode="json", exclude={"label"}) for name, signal in playbook.signals.items()},
        sorted(playbook.counted_signals()),
        {
            f"{channel_id}/{action_id}": action.when.model_dump(mode="json")
            for channel_id, channel in playbook.channels.items()
            for action_id, action in channel.actions.items()
        },
        {
            id: channel.campaign.model_dump(mode="json", include={"paths", "ends"})
            for id, channel in playbook.channels.items()
            if channel.campaign is not None
        },
    ]
    digest = blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=4).digest()
    return int.from_bytes(digest) or 1


def _kept_by(rule: BehaviourRule, playbook: Playbook) -> dict[str, Any]:
    """What a state keeps of an event by a rule. Days after a cap for ever are dropped, so there all counts."""
    group = playbook.behaviour.groups.get(rule.group) if rule.group is not None else None
    if rule.cap_ever is None and (group is None or group.cap_ever is None):
        return rule.model_dump(mode="json", include=_MEANS)
    caps = group.model_dump(mode="json", exclude={"label"}) if group is not None else {}
    return rule.model_dump(mode="json", exclude={"label"}) | {"group": [rule.group, caps]}
