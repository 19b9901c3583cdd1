"""What the score asks of an event, looked up once and before its lead's state is.

A batch of `Heard` takes a tenth of the memory of its events, so that it stays in the processor's cache while lead after
lead is scored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from services.scorer.scoring.behaviour import Behaviour, Earning, earned
from services.scorer.scoring.campaigns import Campaigns, Taking
from services.scorer.scoring.duplicates import digest_of
from services.scorer.scoring.fields import NOTHING as NO_FIELDS
from services.scorer.scoring.fields import FieldReader
from services.scorer.scoring.links import UNLINKED, Linking
from services.scorer.scoring.matching import MatchIndex
from services.scorer.scoring.people import INTERNAL, SCANNER, People
from services.scorer.scoring.rules import Rule
from services.scorer.scoring.scanners import About, Mailing, ScannerRules
from services.scorer.scoring.times import to_ms
from services.scorer.scoring.touches import Levels, Showing, Signals, Touch
from shared.events import LINK, MEMBER, RECYCLE, Event, Kind
from shared.playbook.conditions import EventMatch
from shared.reading import Fields

NOTHING_ODD: tuple[str, ...] = ()
LATE, UNCLASSIFIED, FUTURE, MISFIT = "late", "unclassified", "future", "misfit"
LINK_GIVEN_UP = "link given up"
EMPTIED = "emptied"
"""All that was known of the lead was somebody who has been erased."""
_LATE, _UNCLASSIFIED, _FUTURE, _MISFIT, _SCANNER = (LATE,), (UNCLASSIFIED,), (FUTURE,), (MISFIT,), (SCANNER,)
_TRACK: Final = Kind.TRACK
_ALIAS: Final = Kind.ALIAS
_ACT: Final = About.ACT
AHEAD = timedelta(days=1)
"""Of its receipt: a clock that is so far off is none, and no zone forgotten either."""


class Remark(NamedTuple):
    """Something odd that only the lead's state tells: one of the remarks above."""

    what: str


class Matched:
    """What of the playbook an event matches, and the parts that it takes in campaigns. It adds `gain` micro-points to
    the total at most. `keeps`: some signal keeps facts of it. `about`: what it is to a mail, if anything.

    Not to be changed: events that are alike share one. As `Heard` a class of its own and no struct, as of these
    compiled code reads an attribute in a thirtieth of the time; it does so some forty times for each event."""

    def __init__(  # noqa: PLR0913, PLR0917 - its fields
        self,
        earnings: Sequence[Earning] = (),
        touches: Sequence[Touch] = (),
        showings: Sequence[Showing] = (),
        is_something: bool = False,
        gain: int = 0,
        takings: Sequence[Taking] = (),
        keeps: bool = False,
        about: About | None = None,
    ) -> None:
        self.earnings, self.touches, self.showings, self.takings = earnings, touches, showings, takings
        self.is_something, self.gain, self.keeps, self.about = is_something, gain, keeps, about

    def without_points(self) -> Matched:
        return Matched((), self.touches, self.showings, self.is_something, 0, self.takings, self.keeps, self.about)


NOTHING_MATCHED = Matched()


class Heard:
    """`digest` tells copies of a message, `day` is the one on which Kafka took it; `time` in ms; `fields` that the
    event reports; `id` only where it earns or shows something. The event itself
    is there only where it has more to tell: fields, or facts that a signal keeps. `remarks` say what is odd; `ignored`
    why it is worth nothing. `names`: who else the event says that its lead is. `between`: it is none of the lead's
    own, but another partition tells of somebody who is the same person. `mailing`: which mail it is about, where that
    decides whether it, or another event, is a scanner's. `recycles`: behaviour begins anew with it."""

    def __init__(  # noqa: PLR0913, PLR0917 - its fields
        self,
        offset: int,
        day: int,
        digest: bytes,
        time: int,
        historical: bool,
        matched: Matched = NOTHING_MATCHED,
        fields: Fields = NO_FIELDS,
        id: str = "",
        event: Event | None = None,
        remarks: tuple[str, ...] = NOTHING_ODD,
        ignored: str = "",
        names: tuple[str, ...] = (),
        between: bool = False,
        mailing: Mailing | None = None,
        recycles: bool = False,
    ) -> None:
        self.offset, self.day, self.digest, self.time, self.historical = offset, day, digest, time, historical
        self.matched, self.fields, self.id, self.event = matched, fields, id, event
        self.remarks, self.ignored, self.names, self.between = remarks, ignored, names, between
        self.mailing, self.recycles = mailing, recycles

    @property
    def takes_back(self) -> bool:
        """Whether it says that those whom it names are others."""
        return self.event is not None and self.event.name == UNLINKED

    def as_scanners(self) -> Heard:
        """The same, as it turned out to be no act of a person."""
        return Heard(
            self.offset, self.day, self.digest, self.time, self.historical, NOTHING_MATCHED, self.fields, "",
            self.event, self.remarks, SCANNER, self.names, self.between, self.mailing,
        )  # fmt: skip


_Entry = Rule | Touch | Showing | About


class _Matching:
    """Makes `Matched` of what an event satisfies."""

    def __init__(self, campaigns: Campaigns) -> None:
        self._campaigns = campaigns

    def paths(self, entry: _Entry) -> Iterable[str]:
        if isinstance(entry, Touch):
            return self._campaigns.paths(entry.channel)
        return [entry.source] if isinstance(entry, Rule) and entry.source is not None else []

    def made_of(self, entries: list[_Entry], event: Event) -> Matched:
        found = [earned(entry, event) for entry in entries if isinstance(entry, Rule)]
        earnings = [earning for earning in found if earning is not None]
        touches = [entry for entry in entries if isinstance(entry, Touch)]
        showings = [entry for entry in entries if isinstance(entry, Showing)]
        takings = [self._campaigns.taking(touch.channel, touch.action, event) for touch in touches]
        return Matched(
            earnings,
            touches,
            showings,
            any(entry is not About.ACT for entry in entries),
            sum(rule.may_add(amount) for rule, amount in earnings),
            [taking for taking in takings if taking is not None],
            any(showing.keep for showing in showings),
            next((about for about in About if about in entries), None),
        )


class Hearing:
    """Makes `Heard` of events."""

    def __init__(  # noqa: PLR0913, PLR0917 - the parts of a playbook
        self,
        people: People,
        scanners: ScannerRules,
        linking: Linking,
        fields: FieldReader,
        behaviour: Behaviour,
        levels: Levels,
        signals: Signals,
    ) -> None:
        self._people, self._fields, self._late_after = people, fields, behaviour.late_after
        self._scanners, self._linking = scanners, linking
        entries: list[tuple[EventMatch, _Entry]] = [
            *behaviour.rules,
            *levels.touches,
            *signals.showings,
            *scanners.matches,
        ]
        self._index: MatchIndex[_Entry, Matched] = MatchIndex(entries, levels.channels, _Matching(levels.campaigns))

    def hear(self, event: Event, offset: int, day: int) -> Heard:
        """An event at its place in the log, where Kafka took it on `day` (as `Logged` has it)."""
        kind, happened, received_at = event.kind, event.time, event.received_at
        if kind is LINK or kind is MEMBER:
            return self._between(event, offset, day)
        if kind is RECYCLE:
            return self._recycling(event, offset, day)
        if self._people.are_asked and (reason := self._people.reason(event)):
            return self._ignored(event, offset, day, reason)
        fields = self._fields.read(event)
        matched = self._index.find(event, fields)
        remarks, ignored, mailing = NOTHING_ODD, "", None
        if not matched.is_something and kind is _TRACK:
            # Whatever the lead did, the playbook does not speak of it (domain A2).
            remarks = _UNCLASSIFIED if event.name != UNLINKED else NOTHING_ODD
        if received_at - happened > self._late_after and not event.historical:
            # Its sender has a broken clock, or repeats history, which may be of any age, without saying so.
            matched, remarks = matched.without_points(), _LATE
        # As `Event.happened`, without making a moment of it in between: `to_ms` cuts to milliseconds in any zone.
        if happened > received_at:
            if happened - received_at > AHEAD:
                remarks += _FUTURE
            happened = received_at
        if event.traits and self._fields.is_misfit(event):
            remarks += _MISFIT
        time = to_ms(happened)
        if (about := matched.about) is not None:
            # Whoever opened a mail: what its tool tells of the lead, fields and names, is so.
            if about is _ACT and self._scanners.says_so(event, time):
                matched, remarks, ignored = NOTHING_MATCHED, _SCANNER, SCANNER
            else:
                mailing = self._scanners.mailing(event, about)
        names = self._linking.names(event) if _may_name(event) else ()
        kept = event if fields or names or matched.keeps else None
        id = event.id if matched.earnings or matched.showings or mailing is not None else ""
        digest, historical = digest_of(event), event.historical
        return Heard(
            offset, day, digest, time, historical, matched, fields, id, kept, remarks, ignored, names,
            False, mailing,
        )  # fmt: skip

    @staticmethod
    def _between(event: Event, offset: int, day: int) -> Heard:
        return Heard(
            offset, day, b"", to_ms(event.time), event.historical,
            event=event, remarks=(event.kind.value,), between=True,
        )  # fmt: skip

    @staticmethod
    def _recycling(event: Event, offset: int, day: int) -> Heard:
        return Heard(
            offset, day, digest_of(event), to_ms(min(event.time, event.received_at)), event.historical,
            remarks=(event.kind.value,), recycles=True,
        )  # fmt: skip

    def _ignored(self, event: Event, offset: int, day: int, reason: str) -> Heard:
        # A colleague's visits are the colleague's; what a crawler says of itself is worth nothing.
        names = self._linking.names(event) if reason == INTERNAL and _may_name(event) else ()
        time = to_ms(min(event.time, event.received_at))
        return Heard(
            offset, day, digest_of(event), time, event.historical,
            event=event if names else None, remarks=(reason,), ignored=reason, names=names,
        )  # fmt: skip


def _may_name(event: Event) -> bool:
    """Whether it may say of somebody else that they are the same: most events do not."""
    return bool(
        event.traits
        or (event.user_id and event.anonymous_id)
        or event.kind is _ALIAS
        or (event.context and "externalIds" in event.context)
        or event.name == UNLINKED
    )
