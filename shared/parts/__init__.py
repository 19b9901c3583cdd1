"""A Kafka and a Postgres for demo, tests and benchmarks, wherever they run."""

from shared.parts.launch import Parts, PartsError, PartsKind, start_parts

__all__ = ["Parts", "PartsError", "PartsKind", "start_parts"]
