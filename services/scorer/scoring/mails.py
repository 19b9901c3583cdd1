"""What a lead did with its mails, and what of that is taken back as it turns out to be a scanner's.

A scanner may be known only by what comes later: the third link within seconds, or a late word that the mail was sent.
So what an act adds to a lead is kept beside it, and of all rules, signals and actions that acts concern also what the
lead has without them; the two together are what the lead has, as of members (see `union`). Neither order nor batches
matter, as whatever makes an act a scanner's is a fact about some events, wherever they stand in the log.

That holds for the latest `MOST_ACTS` acts that are no scanner's, `MOST_SCANNERS` that are, and `MOST_SENT` sendings, by
their times. Older ones stay as they are judged.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Collection, Iterable, Mapping

from services.scorer.scoring.behaviour import Behaviour
from services.scorer.scoring.campaigns import add_campaigns
from services.scorer.scoring.heard import Heard
from services.scorer.scoring.parts import Act, CampaignStates, Mails, RuleState, SignalState
from services.scorer.scoring.people import SCANNER
from services.scorer.scoring.scanners import About, Mailing, ScannerRules
from services.scorer.scoring.state import LeadState
from services.scorer.scoring.times import BEFORE_ALL
from services.scorer.scoring.union import add_signal, both, both_shown

MOST_ACTS, MOST_SENT, MOST_SCANNERS = 8, 8, 32
"""Of acts that are no scanner's, sendings, and acts that are. They are written with the lead's state each time: of a
scanner's act, which makes others its own, only when and on what."""


def _in_order(act: Act) -> tuple[int, str, int, int]:
    """Of scanners' acts, which lose their ids, the same before and after."""
    return act.time, "" if act.is_scanners else act.event_id, act.mail, act.link


class MailScoring:
    """`book` adds an event to a state."""

    def __init__(
        self,
        rules: ScannerRules,
        behaviour: Behaviour,
        once: Collection[str],
        book: Callable[[LeadState, Heard], None],
    ) -> None:
        self._rules, self._behaviour, self._once, self._book = rules, behaviour, once, book

    def judge(self, state: LeadState, heard: Heard, mailing: Mailing) -> tuple[Heard, list[Act]]:
        """Of an act or a sending that is not yet booked: what of it is to be booked, and which earlier acts are to be
        taken back."""
        mails = state.mails = state.mails or Mails()
        new: Act | None = None
        if mailing.about is About.SENDING:
            if (heard.time, mailing.mail) not in mails.sent:
                insort(mails.sent, (heard.time, mailing.mail))
        else:
            new = self._act(state, heard, mailing)
            self._hold(state, mails, new)
            mails.acts.append(new)
        found: list[Act] = []
        for act in self._rules.judge(mails, mailing.mail):
            if not act.is_scanners:
                act.is_scanners = True
                found.append(act)
        mails.acts.sort(key=_in_order)
        self._let_go(state, mails)
        if new is None or not new.is_scanners:
            return heard, found
        new.forget()
        return heard.as_scanners(), [act for act in found if act is not new]

    def keep_up(self, state: LeadState, heard: Heard) -> None:
        """An event that is no act has been booked: it belongs to what the lead has without acts as well."""
        mails, matched = state.mails, heard.matched
        if mails is None or not (
            any(rule.id in mails.behaviour for rule, _ in matched.earnings)
            or any(showing.signal in mails.signals for showing in matched.showings)
            or any(touch.id in mails.levels for touch in matched.touches)
            or (mails.campaigns is not None and matched.takings)
        ):
            return
        self._add(state, mails, self._alone(state, heard))

    def take_back(self, state: LeadState, taken: Iterable[Act]) -> None:
        """Leave of these acts nothing but their number."""
        mails = state.mails or Mails()
        others = [act for act in mails.acts if not act.is_scanners]
        for act in taken:
            state.ignored[SCANNER] = state.ignored.get(SCANNER, 0) + 1
            for id in self._behaviour.counted_with(act.behaviour):
                self._rebuild_rule(state, id, [mails.behaviour, *(other.behaviour for other in others)])
            for name in act.signals:
                self._rebuild_signal(state, name, [mails.signals, *(other.signals for other in others)])
            for id in act.levels:
                self._rebuild_level(state, id, [mails.levels, *(other.levels for other in others)])
            if act.took:
                self._rebuild_campaigns(state, [mails.campaigns or {}, *(other.took for other in others)])
            act.forget()
        state.follow(state.playbook)
        self._behaviour.tidy(state)

    def _rebuild_rule(self, state: LeadState, id: str, parts: Iterable[Mapping[str, RuleState]]) -> None:
        whole = RuleState({})
        for part in parts:
            if id in part:
                whole = both(whole, part[id], id in self._once)
        state.behaviour[id] = whole
        if not whole.times:
            del state.behaviour[id]

    @staticmethod
    def _rebuild_signal(state: LeadState, name: str, parts: Iterable[Mapping[str, SignalState | None]]) -> None:
        state.signals.pop(name, None)
        for part in parts:
            if (shown := part.get(name)) is not None:
                add_signal(state.signals, name, shown)

    @staticmethod
    def _rebuild_level(state: LeadState, id: str, parts: Iterable[Mapping[str, int]]) -> None:
        last = max(part.get(id, BEFORE_ALL) for part in parts)
        state.levels[id] = last
        if last == BEFORE_ALL:
            del state.levels[id]

    @staticmethod
    def _rebuild_campaigns(state: LeadState, parts: Iterable[CampaignStates]) -> None:
        state.campaigns = {}
        for part in parts:
            add_campaigns(state.campaigns, part)

    def _act(self, state: LeadState, heard: Heard, mailing: Mailing) -> Act:
        alone = self._alone(state, heard)
        return Act(
            time=heard.time,
            event_id=heard.id,
            mail=mailing.mail,
            link=mailing.link,
            counted={id: next(iter(rule.days.items()), (rule.forgot, None)) for id, rule in alone.behaviour.items()},
            shown={name: signal.kept for name, signal in alone.signals.items()},
            done=list(alone.levels),
            took=alone.campaigns,
            lately=[name for name, signal in alone.signals.items() if signal.recent],
        )

    def _alone(self, state: LeadState, heard: Heard) -> LeadState:
        """What the event adds to a lead, at the lead's latest time."""
        alone = LeadState(time=max(state.time, heard.time))
        self._book(alone, heard)
        return alone

    def _hold(self, state: LeadState, mails: Mails, act: Act) -> None:
        """Begin to keep what the lead has without acts where the act is the first to concern it."""
        for id in self._behaviour.counted_with(act.behaviour):
            if id not in mails.behaviour:
                known = state.behaviour.get(id)
                mails.behaviour[id] = both(RuleState({}), known, id in self._once) if known else RuleState({})
        for name in act.signals:
            mails.signals.setdefault(name, state.signals.get(name))
        for id in act.levels:
            mails.levels.setdefault(id, state.levels.get(id, BEFORE_ALL))
        if act.took and mails.campaigns is None:
            mails.campaigns = {}
            add_campaigns(mails.campaigns, state.campaigns)

    def _let_go(self, state: LeadState, mails: Mails) -> None:
        """Of what is too much the oldest: it stays as it was judged."""
        while len(mails.sent) > MOST_SENT:
            del mails.sent[0]
        if len(mails.acts) <= MOST_ACTS:
            return
        scanners = [act for act in mails.acts if act.is_scanners]
        others = [act for act in mails.acts if not act.is_scanners]
        for act in others[:-MOST_ACTS]:
            self._add(state, mails, act)
        mails.acts = sorted(scanners[-MOST_SCANNERS:] + others[-MOST_ACTS:], key=_in_order)

    def _add(self, state: LeadState, mails: Mails, more: Act | LeadState) -> None:
        """It is no act, or one no more that may be taken back."""
        for id in more.behaviour.keys() & mails.behaviour.keys():
            mails.behaviour[id] = both(mails.behaviour[id], more.behaviour[id], id in self._once)
        for name in more.signals.keys() & mails.signals.keys():
            mails.signals[name] = both_shown(mails.signals[name], more.signals[name])
        for id in more.levels.keys() & mails.levels.keys():
            mails.levels[id] = max(mails.levels[id], more.levels[id])
        if mails.campaigns is not None:
            add_campaigns(mails.campaigns, more.campaigns)
        self._behaviour.tidy(LeadState(epoch=state.epoch, time=state.time, behaviour=mails.behaviour))
