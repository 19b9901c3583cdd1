"""Reading what senders put into traits and properties: one way for the score and for the contact data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.countries import country
from shared.events import Event, Kind
from shared.playbook.schema import LeadField
from shared.prefectures import prefecture

MAX_TEXT = 256
INT64 = range(-(2**63), 2**63)

Scalar = str | float | int | bool
Fields = dict[str, Any]
"""Reported fields by name; None: told to be empty."""


def at_path(values: Mapping[str, Any], path: str) -> Any:
    """The value under a dotted path; a key that itself has dots comes first. None when there is nothing."""
    if path in values:
        return values[path]
    if "." not in path:
        return None
    found: Any = values
    for step in path.split("."):
        if not isinstance(found, dict) or step not in found:
            return None
        found = found[step]
    return found


def storable_scalar(value: Any) -> Scalar | None:
    """A value of bounded size that JSON, MessagePack and Postgres can all hold; None where there is nothing to keep.

    Text loses NUL and is cut at `MAX_TEXT` characters. Whole numbers past 64 bits, which MessagePack cannot write,
    become floats; past what floats hold, and lists and objects, nothing."""
    if isinstance(value, str):
        return value.replace("\0", "")[:MAX_TEXT]
    if not isinstance(value, int | float):
        return None
    if isinstance(value, float) or value in INT64:
        return value
    try:
        return float(value)
    except OverflowError:
        return None


def kept_facts(properties: Mapping[str, Any], paths: tuple[str, ...]) -> dict[str, Scalar]:
    """The facts that a signal keeps of its event; what is missing or no single value is left out."""
    found = ((path, storable_scalar(at_path(properties, path))) for path in paths)
    return {path: value for path, value in found if value is not None}


def read_fields(event: Event, fields: Mapping[str, LeadField]) -> Fields:
    """The playbook's fields that this event reports. A group's traits are the company's.

    Holds personal data: whoever keeps the result decides what of it may be kept."""
    if not event.traits:
        return {}
    traits = {"company": event.traits} if event.kind is Kind.GROUP else event.traits
    found: Fields = {}
    for name, field in fields.items():
        told = _first(traits, field.paths)
        if told is not None:
            found[name] = _normalised(told, field)
    return found


def _first(traits: Mapping[str, Any], paths: list[str]) -> Scalar | None:
    """Of the first path that leads to a single value: `company` may be the company's name or its record."""
    for path in paths:
        value = at_path(traits, path)
        if isinstance(value, str):
            value = value.replace("\0", "").strip()
        value = storable_scalar(value)
        if value is not None:
            return value
    return None


def _normalised(value: Scalar, field: LeadField) -> Scalar | None:
    if value == "":
        return None
    if field.kind == "prefecture":
        return prefecture(value)
    return country(value) if field.kind == "country" else value
