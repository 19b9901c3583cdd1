"""Which rules an event concerns: compiled once, indexed by kind and name so that most rules are never looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from shared.events import Event, Kind
from shared.playbook.catalogue import Alternative, alternatives, concerns
from shared.playbook.channels import Channel
from shared.playbook.checks import Predicate, compile_check
from shared.playbook.conditions import EventMatch
from shared.reading import INT64, MAX_TEXT, Fields, at_path

T = TypeVar("T")
Found = TypeVar("Found")
Found_co = TypeVar("Found_co", covariant=True)
REMEMBERED = 10_000
Matcher = Callable[[Event, Fields], bool]


def compile_any(alternatives: Iterable[Alternative]) -> Matcher | None:
    """A function of the event and of the fields it reports; None where kind and name, the index's affair, say all."""
    matchers: list[Matcher] = []
    for alternative in alternatives:
        matcher = _compile(alternative)
        if matcher is None:
            return None
        matchers.append(matcher)
    return matchers[0] if len(matchers) == 1 else lambda event, fields: any(one(event, fields) for one in matchers)


def _compile(alternative: Alternative) -> Matcher | None:
    where: list[tuple[str, Predicate]] = [
        (path, compile_check(check)) for match in alternative for path, check in match.where.items()
    ]
    traits: list[tuple[str, Predicate]] = [
        (name, compile_check(check)) for match in alternative for name, check in match.traits.items()
    ]
    if not where and not traits:
        return None

    def matches(event: Event, fields: Fields) -> bool:
        return all(holds(at_path(event.properties, path)) for path, holds in where) and all(
            holds(fields.get(name)) for name, holds in traits
        )

    return matches


class Collect(Protocol[T, Found_co]):
    """Makes one answer of the entries that an event satisfies."""

    def paths(self, entry: T) -> Iterable[str]:
        """The properties that an entry needs beside those that its match asks for."""

    def made_of(self, entries: list[T], event: Event) -> Found_co:
        """The answer; it must follow from the entries and these properties alone, as it is remembered by them."""


class _Candidates(Generic[T, Found]):
    """The entries that one kind and name of event may satisfy.

    Which of them it does follows from the few values that their checks ask for, and most events repeat those of
    others: the answer is remembered by them."""

    def __init__(self, entries: Sequence[tuple[list[Alternative], T]], collect: Collect[T, Found]) -> None:
        self._entries = [(compile_any(alternatives), entry) for alternatives, entry in entries]
        self._collect = collect
        matches = [match for alternatives, _ in entries for alternative in alternatives for match in alternative]
        asked = {path for match in matches for path in match.where}
        self._paths = sorted(asked.union(*(collect.paths(entry) for _, entry in entries)))
        self._fields = sorted({name for match in matches for name in match.traits})
        self._known: dict[tuple[Any, ...], Found] = {}

    def find(self, event: Event, fields: Fields) -> Found:
        properties = event.properties
        asked = [at_path(properties, path) for path in self._paths]
        if self._fields:
            asked += [fields.get(name) for name in self._fields]
        # 1, 1.0 and True are equal to Python, and not to a check.
        key = (*asked, *map(type, asked))
        try:
            found = self._known.get(key)
        except TypeError:  # a list or an object
            return self._look(event, fields)
        if found is None:
            found = self._look(event, fields)
            if all(_is_short(value) for value in asked):
                if len(self._known) >= REMEMBERED:
                    self._known.clear()  # senders may invent any number of values
                self._known[key] = found
        return found

    def _look(self, event: Event, fields: Fields) -> Found:
        found = [entry for matches, entry in self._entries if matches is None or matches(event, fields)]
        return self._collect.made_of(found, event)


class MatchIndex(Generic[T, Found]):
    """Finds the entries whose `EventMatch` an event satisfies, in the order given, as `collect` makes them up: once for
    all events alike."""

    def __init__(
        self, entries: Iterable[tuple[EventMatch, T]], channels: Mapping[str, Channel], collect: Collect[T, Found]
    ) -> None:
        self._collect = collect
        self._entries = [(alternatives(match, channels), entry) for match, entry in entries]
        self._names = {
            name
            for several, _ in self._entries
            for alternative in several
            for match in alternative
            for name in match.names
        }
        self._candidates: dict[tuple[Kind, str], _Candidates[T, Found]] = {}

    def find(self, event: Event, fields: Fields) -> Found:
        """What matches; `fields` are those that this event reports."""
        # Names that no rule mentions share one slot: senders may invent any number of them.
        name = event.name if event.name in self._names else ""
        key = (event.kind, name)
        found = self._candidates.get(key)
        if found is None:
            found = self._candidates[key] = _Candidates(self._concerned(*key), self._collect)
        return found.find(event, fields)

    def _concerned(self, kind: Kind, name: str) -> list[tuple[list[Alternative], T]]:
        """The entries that such an event may satisfy, each with those of its alternatives."""
        asked = [([one for one in several if concerns(one, kind, name)], entry) for several, entry in self._entries]
        return [(several, entry) for several, entry in asked if several]


def _is_short(value: Any) -> bool:
    """Whether a value may be remembered: single, and of bounded size."""
    if isinstance(value, str):
        return len(value) <= MAX_TEXT
    return value is None or isinstance(value, float) or (isinstance(value, int) and value in INT64)
