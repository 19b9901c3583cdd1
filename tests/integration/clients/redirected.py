"""A pytest plugin: what goes to Segment's address goes to TASUKI_TEST_INGEST instead, and is counted."""

from __future__ import annotations

import os
import sys
import unittest.mock
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from segment.analytics.request import _session

SEGMENT = "https://api.segment.io"
statuses: list[int] = []


class _Redirected(HTTPAdapter):
    def send(self, request: PreparedRequest, **kwargs: Any) -> Response:
        assert request.url
        request.url = request.url.replace(SEGMENT, os.environ["TASUKI_TEST_INGEST"])
        request.headers.pop("Host", None)
        response: Response = super().send(request, **kwargs)
        statuses.append(response.status_code)
        return response


def pytest_configure() -> None:
    sys.modules.setdefault("mock", unittest.mock)  # the same under the name of its backport
    _session.mount(SEGMENT, _Redirected())


def pytest_terminal_summary(terminalreporter: Any) -> None:
    terminalreporter.write_line(f"answered by ingest: {len(statuses)} requests with {sorted(set(statuses))}")
