"""What ingest refuses, with the status and the code it is answered with."""

from __future__ import annotations


class Refused(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers


def unparsable(message: str) -> Refused:
    return Refused(400, "unparsable_body", message)


def unknown_write_key() -> Refused:
    return Refused(
        401,
        "unknown_write_key",
        "no write key, or one that is not known here: send it as the Basic user name, "
        "or as writeKey in the body or the query",
    )


def origin_not_allowed(origin: str) -> Refused:
    message = f"this write key may not be used from {origin[:128]!r}: add it to the key's origins, or use another key"
    return Refused(403, "origin_not_allowed", message)


def too_fast(per_second: float, seconds: int) -> Refused:
    message = f"this write key may send {per_second:g} events per second; send it again after {seconds} s"
    return Refused(429, "rate_limited", message, {"Retry-After": str(seconds)})


def not_installed() -> Refused:
    return Refused(
        404,
        "not_installed",
        "analytics.js is not installed here: set TASUKI_ANALYTICS_JS to the directory dist/umd of the npm package "
        "@segment/analytics-next, or load the script from elsewhere",
    )


def too_large(limit: int) -> Refused:
    return Refused(413, "body_too_large", f"the body exceeds {limit} bytes (decompressed): send smaller batches")


def too_many_events(limit: int) -> Refused:
    return Refused(413, "too_many_events", f"a batch may have {limit} events: send smaller batches")


def context_too_large(limit: int) -> Refused:
    message = f"the batch's context, repeated in each of its events, exceeds {limit} bytes: send smaller batches"
    return Refused(413, "context_too_large", message)


def too_much_at_once(message: str) -> Refused:
    return Refused(413, "too_much_at_once", message)


def incomplete() -> Refused:
    return Refused(400, "incomplete", "the connection ended before the body was complete")


def try_later(seconds: int, message: str) -> Refused:
    """429 and never 503: analytics-node retries a 429 with Retry-After without counting it as a failure."""
    return Refused(429, "try_later", message, {"Retry-After": str(seconds)})


def unknown_webhook(name: str, known: list[str]) -> Refused:
    message = (
        f"there is no webhook {name[:64]!r}; there are: {', '.join(known)}. TASUKI_WEBHOOKS names a directory of others"
    )
    return Refused(404, "unknown_webhook", message)


def no_signature_secret(name: str, variable: str) -> Refused:
    message = (
        f"webhook {name!r} takes signed requests only: set {variable} to the secret that the tool shows, and restart"
    )
    return Refused(403, "no_signature_secret", message)


def bad_signature(message: str) -> Refused:
    return Refused(401, "bad_signature", message)
