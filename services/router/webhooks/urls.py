"""Which URLs a webhook may have."""

from __future__ import annotations

from urllib.parse import urlsplit

from services.router.webhooks.addresses import is_public, literal

LONGEST_URL = 2000


class UrlRefused(ValueError):
    """The text says why, and what is expected."""


def check_url(url: str, allow_private: bool) -> None:
    """Raises `UrlRefused`. Names are not looked up."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UrlRefused(f"the URL cannot be read: {error}") from error
    schemes = ("https", "http") if allow_private else ("https",)
    if parts.scheme not in schemes:
        raise UrlRefused(f"the URL must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    if not host or port == 0 or len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise UrlRefused(f"the URL must name a host, in at most {LONGEST_URL} ASCII characters without spaces")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise UrlRefused("the URL must have neither user and password nor a fragment; put a token into its path")
    address = literal(host)
    if address and not allow_private and not is_public(address):
        raise UrlRefused(f"{host} is no public address")
