"""Sending Segment calls to the ingest API: in batches, with bounded requests in flight, in order per lead."""

from services.cli.sending.client import IngestClient, Rejection
from services.cli.sending.lanes import Entry, send_in_lanes

__all__ = ["Entry", "IngestClient", "Rejection", "send_in_lanes"]
