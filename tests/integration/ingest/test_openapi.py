"""Requests made from our own description of the API: the answers are as described, and none is an error of ours."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from services.ingest.admission.gate import Gate
from services.ingest.admission.in_flight import InFlight
from services.ingest.app import build_app
from services.ingest.collaborators import Collaborators
from services.ingest.metrics import IngestMetrics
from shared.key_file import ReloadingKeyRing
from shared.topics import Topics
from tests.ingest_app import ScriptedPublisher
from tests.integration.ingest.conftest import Ingest

KEY = "Basic " + base64.b64encode(b"key:").decode()

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]


def operations() -> list[Any]:
    """All that is described, from the app itself: they have to be known before ingest runs."""
    metrics = IngestMetrics()
    gate = Gate(ReloadingKeyRing([]), metrics, InFlight(1))
    app = build_app(Collaborators(gate, ScriptedPublisher(), Topics(), metrics))
    return [found.ok() for found in schemathesis.openapi.from_dict(app.openapi()).get_all_operations()]


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.label)
def test_answers_are_as_described(operation: Any, shared_ingest: Ingest) -> None:
    @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def check(case: Any) -> None:
        case.call_and_validate(
            base_url=str(shared_ingest.http.base_url), checks=CHECKS, timeout=10, headers={"Authorization": KEY}
        )

    check()
