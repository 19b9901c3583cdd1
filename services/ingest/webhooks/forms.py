"""The fields of an HTML form: `application/x-www-form-urlencoded` and the text fields of `multipart/form-data`. Pure.

https://url.spec.whatwg.org/#urlencoded-parsing
https://www.rfc-editor.org/rfc/rfc7578

Names with brackets become nested, as PHP has them and Mailchimp sends them: `data[merges][EMAIL]` is `EMAIL` in
`merges` in `data`. A field that comes several times, or whose name ends in `[]`, is a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from email.message import Message
from typing import Any
from urllib.parse import parse_qsl

from multipart import MultipartError, PushMultipartParser

MAX_FIELDS = 500
MAX_BRACKETS = 8
_NESTED = re.compile(rf"(?P<name>[^\[\]]+)(?P<keys>(?:\[[^\[\]]+\]){{1,{MAX_BRACKETS}}})")


def read_form(body: bytes, content_type: str) -> dict[str, Any]:
    """`content_type` with its parameters; without one the form is taken to be urlencoded. Raises `ValueError`."""
    header = Message()
    header["content-type"] = content_type
    if header.get_content_type() == "multipart/form-data":
        return _nested(_multipart(body, str(header.get_param("boundary", ""))))
    try:
        return _nested(parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS))
    except UnicodeDecodeError as error:
        raise _no_utf8() from error


def _multipart(body: bytes, boundary: str) -> Iterator[tuple[str, str]]:
    """Files are left out."""
    name: str | None = None
    content = bytearray()
    try:
        with PushMultipartParser(boundary, max_segment_count=MAX_FIELDS) as parser:
            for event in parser.parse(body):
                if event is None and name is not None:
                    yield name, content.decode()
                elif isinstance(event, bytes | bytearray):
                    content += event
                elif event is not None:
                    name, content = (None if event.filename is not None else event.name), bytearray()
    except UnicodeDecodeError as error:
        raise _no_utf8() from error
    except MultipartError as error:
        raise ValueError(f"the body is no multipart/form-data: {error}") from error


def _no_utf8() -> ValueError:
    return ValueError('the form is not in UTF-8: put accept-charset="UTF-8" into its <form>')


def _nested(fields: Iterable[tuple[str, str]]) -> dict[str, Any]:
    form: dict[str, Any] = {}
    for name, value in fields:
        is_list = name.endswith("[]")
        place, key = _place(form, name.removesuffix("[]"))
        if key not in place:
            place[key] = [value] if is_list else value
        elif isinstance(place[key], list):
            place[key].append(value)
        elif isinstance(place[key], str):
            place[key] = [place[key], value]
        # Else the name is also that of a group of fields, which has more to say.
    return form


def _place(form: dict[str, Any], name: str) -> tuple[dict[str, Any], str]:
    """Where a field belongs, and its key there. A name whose brackets mean nothing stays as it is."""
    nested = _NESTED.fullmatch(name)
    if nested is None:
        return form, name
    groups: list[str] = [nested["name"], *nested["keys"][1:-1].split("][")]
    key = groups.pop()
    place = form
    for group in groups:
        inner = place.setdefault(group, {})
        if not isinstance(inner, dict):
            return form, name
        place = inner
    return place, key
