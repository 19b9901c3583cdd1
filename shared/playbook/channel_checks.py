"""References to channels and their actions that lead nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from shared.playbook.catalogue import alternatives, may_be
from shared.playbook.conditions import EventMatch
from shared.playbook.findings import Finding, Path, unknown
from shared.playbook.schema import Playbook


def channel_references(playbook: Playbook, matches: Iterable[tuple[Path, EventMatch]]) -> Iterator[Finding]:
    """Of `matches` that say what an event is in the catalogue; those of the catalogue itself may not."""
    for path, match in matches:
        if match.channel is None:
            continue
        if path[0] == "channels":
            yield (*path, "channel"), "an action is told by the event itself; expected event, kind, where or traits"
        elif match.channel not in playbook.channels:
            yield (*path, "channel"), unknown("channel", match.channel, playbook.channels)
        else:
            yield from _actions(path, match, playbook)


def _actions(path: Path, match: EventMatch, playbook: Playbook) -> Iterator[Finding]:
    assert match.channel is not None
    known = playbook.channels[match.channel].actions
    wrong = [action for action in match.actions if action not in known]
    for action in wrong:
        yield (*path, "action"), unknown(f"action of the channel '{match.channel}'", action, known)
    if not wrong and not any(map(may_be, alternatives(match, playbook.channels))):
        yield (
            path,
            f"can never match: no such action of the channel '{match.channel}' is an event of this kind and name",
        )


def campaign_actions(playbook: Playbook) -> Iterator[Finding]:
    """What campaigns say of actions that the channel does not have, or that can never be concluded."""
    for id, channel in playbook.channels.items():
        place: Path = ("channels", id)
        named: list[tuple[Path, str]] = [
            ((*place, "together", index, "all", number), action)
            for index, rule in enumerate(channel.together)
            for number, action in enumerate(rule.all)
        ]
        absence = channel.campaign.absence if channel.campaign is not None else None
        if absence is not None:
            place = (*place, "campaign", "absence")
            named += [((*place, "of"), absence.of), ((*place, "is"), absence.is_)]
            named += [((*place, "without", number), action) for number, action in enumerate(absence.without)]
            if absence.of in absence.without:
                yield (*place, "without"), f"can never be concluded: '{absence.of}' is what the absent have done"
        for path, action in named:
            if action not in channel.actions:
                yield path, unknown(f"action of the channel '{id}'", action, channel.actions)
