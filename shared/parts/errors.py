"""What can go wrong with the parts."""

from __future__ import annotations


class PartsError(RuntimeError):
    """A part cannot be had, or does not answer. The message says which, why, and what to do."""
