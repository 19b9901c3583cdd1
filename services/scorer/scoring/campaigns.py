"""Campaign participation (domain A6): what a lead did in this webinar, at that exhibition, and the levels of it.

Kept is the latest time of each (campaign, action), and when each campaign ends, of these the `MOST` latest. A time only
grows, and what falls out has so many later beside it for ever: what is kept does not depend on the order of events.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from services.scorer.scoring.parts import CampaignStates, Participation
from services.scorer.scoring.state import LeadState
from services.scorer.scoring.times import NEVER, day_end, from_ms, to_ms
from shared.events import Event
from shared.playbook.channels import Absence, Channel
from shared.playbook.schema import Playbook
from shared.reading import INT64, MAX_TEXT, at_path
from shared.scores import Campaign

MOST = 50
"""Actions in campaigns, and ends of campaigns, that are remembered of a lead: some fifteen campaigns."""
SHOWN = 5


class Taking(NamedTuple):
    """Part taken in a campaign by one action; `ends` (ms) is when the event says that the campaign does."""

    channel: str
    campaign: str
    action: str
    ends: int | None


class _Channel(NamedTuple):
    campaign: list[str]  # paths
    ends: list[str]
    absence: Absence | None
    together: list[tuple[frozenset[str], int]]
    levels: dict[str, int]


class Campaigns:
    """The campaigns of a playbook's channels, compiled."""

    def __init__(self, playbook: Playbook) -> None:
        self._zone = playbook.zone
        self._channels = {id: _compiled(one) for id, one in playbook.channels.items() if one.campaign is not None}

    def paths(self, channel: str) -> list[str]:
        """The properties that tell of a channel's campaigns."""
        known = self._channels.get(channel)
        return [] if known is None else [*known.campaign, *known.ends]

    def taking(self, channel: str, action: str, event: Event) -> Taking | None:
        """The part that an event, which is this action, takes in a campaign; None where it names none."""
        known = self._channels.get(channel)
        if known is None:
            return None
        campaign = next(filter(None, (_name(at_path(event.properties, path)) for path in known.campaign)), "")
        if not campaign:
            return None
        ends = (_end(at_path(event.properties, path), self._zone) for path in known.ends)
        return Taking(channel, campaign, action, next((end for end in ends if end is not None), None))

    @staticmethod
    def book(state: LeadState, takings: Sequence[Taking], time: int) -> None:
        """Once more, at `time`."""
        for channel, campaign, action, ends in takings:
            known = state.campaigns.setdefault(channel, {}).setdefault(campaign, Participation({}))
            known.actions[action] = max(time, known.actions.get(action, time))
            if ends is not None and (known.told is None or (time, ends) > (known.told, known.ends or 0)):
                known.told, known.ends = time, ends
        _forget(state.campaigns)

    def levels(self, state: LeadState, at: int) -> Iterator[tuple[int, int]]:
        """What actions that were done together, or not done, give at the moment `at`: each level with its time."""
        for _, known, _, part in self._parts(state):
            done = _done(known, part, at)
            if len(done) > len(part.actions) and known.absence is not None:
                yield known.levels[known.absence.is_], done[known.absence.is_]
            for wanted, level in known.together:
                if wanted <= done.keys():
                    yield level, max(done[action] for action in wanted)

    def shown(self, state: LeadState, at: int) -> list[Campaign]:
        """The latest `SHOWN`, as the score record has them."""
        found = []
        for channel, known, name, part in self._parts(state):
            done = _done(known, part, at)
            levels = [known.levels.get(action, 0) for action in done]
            levels += [level for wanted, level in known.together if wanted <= done.keys()]
            if done:
                found.append((max(done.values()), channel, name, sorted(done, key=done.__getitem__), max(levels)))
        return [
            Campaign(channel=channel, campaign=name, actions=actions, level=level, last=from_ms(last))
            for last, channel, name, actions, level in sorted(found, reverse=True)[:SHOWN]
        ]

    def next_end(self, state: LeadState, after: int) -> int:
        """When the next absence is concluded; `NEVER`."""
        ends = (_absent(known, part) for _, known, _, part in self._parts(state))
        return min((end for end in ends if end is not None and end > after), default=NEVER)

    def _parts(self, state: LeadState) -> Iterator[tuple[str, _Channel, str, Participation]]:
        """By channel and campaign, where the channel is still in the playbook."""
        for channel, of in state.campaigns.items():
            known = self._channels.get(channel)
            if known is not None:
                for name, part in of.items():
                    yield channel, known, name, part


def _compiled(channel: Channel) -> _Channel:
    assert channel.campaign is not None
    return _Channel(
        channel.campaign.paths,
        channel.campaign.ends,
        channel.campaign.absence,
        [(frozenset(rule.all), rule.level) for rule in channel.together],
        {id: action.level for id, action in channel.actions.items()},
    )


def _done(known: _Channel, part: Participation, at: int) -> dict[str, int]:
    """What was done by the moment `at`, each with its time; a concluded absence was done at the campaign's end."""
    absent = _absent(known, part)
    if absent is None or absent > at or known.absence is None:
        return part.actions
    return part.actions | {known.absence.is_: absent}


def _absent(known: _Channel, part: Participation) -> int | None:
    """When it is concluded that the lead was absent; None: it was not, or nobody knows when the campaign ends.

    Where the tool has told it, nothing is left to conclude."""
    absence = known.absence
    if absence is None or part.ends is None or absence.of not in part.actions or absence.is_ in part.actions:
        return None
    return None if any(action in part.actions for action in absence.without) else part.ends


def add_campaigns(campaigns: CampaignStates, others: CampaignStates) -> None:
    """What somebody else has done in campaigns as well."""
    for channel, of in others.items():
        for id, part in of.items():
            known = campaigns.setdefault(channel, {}).setdefault(id, Participation({}))
            for action, time in part.actions.items():
                known.actions[action] = max(time, known.actions.get(action, time))
            if part.told is not None and (
                known.told is None or (part.told, part.ends or 0) > (known.told, known.ends or 0)
            ):
                known.told, known.ends = part.told, part.ends
    _forget(campaigns)


def _forget(campaigns: CampaignStates) -> None:
    """Keeps the latest. One by one, as there is seldom more than one too many."""
    while sum(len(p.actions) + (p.told is not None) for of in campaigns.values() for p in of.values()) > MOST:
        _forget_one(campaigns)


def _forget_one(campaigns: CampaignStates) -> None:
    parts = [(channel, id, part) for channel, of in campaigns.items() for id, part in of.items()]
    times = [(time, channel, id, True, action) for channel, id, part in parts for action, time in part.actions.items()]
    times += [(part.told, channel, id, False, "") for channel, id, part in parts if part.told is not None]
    _, channel, id, is_action, action = min(times)
    part = campaigns[channel][id]
    if is_action:
        del part.actions[action]
    else:
        part.told = part.ends = None
    if not part.actions and part.told is None:
        del campaigns[channel][id]
        if not campaigns[channel]:
            del campaigns[channel]


def _name(value: Any) -> str:
    """Text, or a whole number; empty where it names no campaign."""
    if isinstance(value, int) and not isinstance(value, bool) and value in INT64:
        return str(value)
    return value.replace("\0", "").strip()[:MAX_TEXT] if isinstance(value, str) else ""


def _end(value: Any, zone: ZoneInfo) -> int | None:
    """The moment (ms) of an ISO time, or the end of an ISO day; None for anything else."""
    if not isinstance(value, str):
        return None
    text = value.strip().upper()
    try:
        return day_end(date.fromisoformat(text).toordinal(), zone)
    except ValueError:
        pass  # no day: a time, perhaps
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return to_ms(moment if moment.tzinfo is not None else moment.replace(tzinfo=zone))
