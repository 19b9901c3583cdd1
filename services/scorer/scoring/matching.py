"""Which rules an event concerns: compiled once, indexed by kind and name so that most rules are never looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from shared.events import Event, Kind
from shared.playbook.checks import Predicate, compile_check
from shared.playbook.conditions import EventMatch
from shared.reading import Fields, at_path

T = TypeVar("T")
Matcher = Callable[[Event, Fields], bool]


def compile_match(match: EventMatch) -> Matcher | None:
    """A function of the event and of the fields it reports; None where kind and name, the index's affair, say all."""
    if not match.where and not match.traits:
        return None
    where: list[tuple[str, Predicate]] = [(path, compile_check(check)) for path, check in match.where.items()]
    traits: list[tuple[str, Predicate]] = [(name, compile_check(check)) for name, check in match.traits.items()]

    def matches(event: Event, fields: Fields) -> bool:
        return all(holds(at_path(event.properties, path)) for path, holds in where) and all(
            holds(fields.get(name)) for name, holds in traits
        )

    return matches


class MatchIndex(Generic[T]):
    """Finds the entries whose `EventMatch` an event satisfies, in the order given."""

    def __init__(self, entries: Iterable[tuple[EventMatch, T]]) -> None:
        self._entries = [(match, compile_match(match), entry) for match, entry in entries]
        self._names = {name for match, _, _ in self._entries for name in match.names}
        self._candidates: dict[tuple[Kind, str], list[tuple[Matcher | None, T]]] = {}

    def find(self, event: Event, fields: Fields) -> list[T]:
        """Entries that match; `fields` are those that this event reports."""
        return [entry for matches, entry in self._for(event) if matches is None or matches(event, fields)]

    def _for(self, event: Event) -> list[tuple[Matcher | None, T]]:
        # Names that no rule mentions share one slot: senders may invent any number of them.
        name = event.name if event.name in self._names else ""
        key = (event.kind, name)
        found = self._candidates.get(key)
        if found is None:
            found = [(matches, entry) for match, matches, entry in self._entries if _concerns(match, *key)]
            self._candidates[key] = found
        return found


def _concerns(match: EventMatch, kind: Kind, name: str) -> bool:
    if match.names:
        return kind is (match.kind or Kind.TRACK) and name in match.names
    return match.kind is None or kind is match.kind
