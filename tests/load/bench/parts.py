"""Parts to measure on: with what makes them durable, which tests do without."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.parts import Parts, PartsKind, start_parts
from tests.load.bench.service import say


@contextmanager
def durable_parts(kind: PartsKind | None = None) -> Iterator[Parts]:
    """A Kafka and a Postgres that keep their data while they run: Postgres waits for the disk at every commit.

    Of the kind given or forced by TASUKI_PARTS, else as the launcher chooses. A container's Postgres does not wait, as
    its description says. Raises `PartsError`."""
    with tempfile.TemporaryDirectory(prefix="tasuki-bench-data-") as directory:
        Path(directory).chmod(0o755)  # where we are root, Postgres runs as somebody else
        in_container = (kind or os.environ.get("TASUKI_PARTS")) == PartsKind.DOCKER
        with start_parts(kind, data_dir=None if in_container else Path(directory), say=say) as parts:
            yield parts


def topic_bytes(parts: Parts, topic: str) -> int | None:
    """What the log segments of a topic have on disk, indexes left out; None where the broker's files are not ours."""
    directory = getattr(getattr(parts.kafka, "guard", None), "directory", None)
    segments = [] if directory is None else list(Path(directory).glob(f"kafka/{topic}-*/*.log"))
    return sum(segment.stat().st_size for segment in segments) if segments else None
