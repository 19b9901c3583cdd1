"""Which websites an origin pattern means."""

from __future__ import annotations

import pytest

from shared.origins import is_allowed, require_origin

ALLOWED = ["https://www.example.co.jp", "https://*.example.com", "http://localhost:3000"]


@pytest.mark.parametrize(
    "origin",
    ["https://www.example.co.jp", "https://shop.example.com", "https://a.b.example.com", "http://localhost:3000"],
)
def test_allowed(origin: str) -> None:
    assert is_allowed(origin, ALLOWED)


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "http://www.example.co.jp",
        "https://www.example.co.jp:8443",
        "https://www.example.co.jp.evil.test",
        "https://example.com",
        "https://.example.com",
        "https://evilexample.com",
        "https://evil.test/.example.com",
        "https://evil.test?.example.com",
        "https://user@evil.test:1.example.com",
        "http://shop.example.com",
        "http://localhost",
    ],
)
def test_not_allowed(origin: str) -> None:
    assert not is_allowed(origin, ALLOWED)


@pytest.mark.parametrize("pattern", [*ALLOWED, "http://[::1]:8080"])
def test_patterns(pattern: str) -> None:
    require_origin(pattern)


@pytest.mark.parametrize(
    "pattern", ["*", "https://*", "https://www.example.co.jp/", "www.example.co.jp", "https://WWW.example.jp", "null"]
)
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(ValueError, match="is no origin"):
        require_origin(pattern)
