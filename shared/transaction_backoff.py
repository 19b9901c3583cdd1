"""Lets a transaction follow the previous one of its producer after 2 ms instead of 20.

The coordinator answers CONCURRENT_TRANSACTIONS until the markers of the previous one are written, a few milliseconds;
aiokafka then sleeps for a module constant that has no option. No upstream issue is known. Shown by
tests/integration/upstream/test_transactions.py.
"""

from __future__ import annotations

import aiokafka.producer.sender


def shorten_transaction_backoff() -> None:
    """Called once, by a bootstrap: it holds for all producers of the process."""
    aiokafka.producer.sender.BACKOFF_OVERRIDE = 0.002
