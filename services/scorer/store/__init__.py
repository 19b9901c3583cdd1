"""One source partition's state, kept in a compacted topic and changed in fenced Kafka transactions.

Usable without Faust and without knowing what the states are. `partition.py` is the store, `restore.py` reads it back,
`errors.py` and `records.py` hold the words for both.
"""

from services.scorer.store.errors import StoreError, StoreFailed, StoreFenced, StoreMismatch
from services.scorer.store.partition import PartitionStore
from services.scorer.store.records import Output

__all__ = ["Output", "PartitionStore", "StoreError", "StoreFailed", "StoreFenced", "StoreMismatch"]
