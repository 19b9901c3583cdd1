"""Runs the engines of the scorer benchmark: `tests/load/job/README.md` says what is measured and how."""
