"""What the scorer says about events that count for nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families

from services.cli.errors import CommandError

UNCLASSIFIED = "tasuki_scorer_unclassified_events"
IGNORED = "tasuki_scorer_ignored_events"


@dataclass(frozen=True)
class Remarks:
    """Events: `unclassified`, of which the playbook does not speak; `ignored`, by reason why they are no lead's."""

    unclassified: int
    ignored: Mapping[str, int]


async def remarks_of(scorer: str) -> Remarks:
    """As the metrics of the scorer at this address have them, since it started."""
    async with httpx.AsyncClient(timeout=30.0) as http:
        try:
            response = (await http.get(f"{scorer}/metrics")).raise_for_status()
        except httpx.HTTPError as error:
            raise CommandError(f"the scorer at {scorer} does not tell its metrics: {error}") from error
    return read_remarks(response.text)


def read_remarks(metrics: str) -> Remarks:
    """Of metrics in the text format of Prometheus. Raises `CommandError` when they are none of a scorer."""
    samples = [sample for family in text_string_to_metric_families(metrics) for sample in family.samples]
    unclassified = [int(sample.value) for sample in samples if sample.name == f"{UNCLASSIFIED}_total"]
    if not unclassified:
        raise CommandError(f"{UNCLASSIFIED}_total is not among the metrics: expected those of a scorer")
    ignored = {s.labels["reason"]: int(s.value) for s in samples if s.name == f"{IGNORED}_total"}
    return Remarks(unclassified[0], dict(sorted(ignored.items())))
