"""What the endpoints work with."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from services.ingest.admission.gate import Gate
from services.ingest.metrics import IngestMetrics
from services.ingest.publishing import Publisher
from services.ingest.webhooks.receiver import Webhooks
from shared.topics import Topics


@dataclass(frozen=True)
class Collaborators:
    """`script_dir` has analytics.js; `public_url` is where browsers see us, if not where they ask; with `truncates_ip`
    only the networks of addresses are kept."""

    gate: Gate
    publisher: Publisher
    topics: Topics
    metrics: IngestMetrics
    script_dir: Path | None = None
    public_url: str | None = None
    webhooks: Webhooks = field(default_factory=Webhooks)
    truncates_ip: bool = False
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    new_id: Callable[[], str] = lambda: str(uuid.uuid4())
