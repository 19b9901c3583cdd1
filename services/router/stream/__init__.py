"""Stages, hand-offs and alerts as server-sent events, for whoever looks on."""
