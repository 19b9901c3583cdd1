"""What the services of one stack are told."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from shared.parts.ports import free_ports

USUAL_PORTS = {"ingest": 8080, "scorer": 8081, "router": 8082}
SOURCE = "tasuki-up"


@dataclass(frozen=True)
class Access:
    """How to reach the stack from outside."""

    urls: Mapping[str, str]
    write_key: str
    token: str


def choose_ports() -> dict[str, int]:
    """The usual ones, or free ones where another program has one of them."""
    others = iter(free_ports(len(USUAL_PORTS)))
    return {name: port if _is_free(port) else next(others) for name, port in USUAL_PORTS.items()}


def make_access(ports: Mapping[str, int], environment: Mapping[str, str]) -> Access:
    """New secrets, unless TASUKI_WRITE_KEY and TASUKI_TOKEN bring some."""
    return Access(
        urls={name: f"http://127.0.0.1:{port}" for name, port in ports.items()},
        write_key=environment.get("TASUKI_WRITE_KEY") or "wk_" + secrets.token_urlsafe(18),
        token=environment.get("TASUKI_TOKEN") or "tk_" + secrets.token_urlsafe(18),
    )


def service_environment(
    base: Mapping[str, str], addresses: Mapping[str, str], ports: Mapping[str, int], access: Access
) -> dict[str, str]:
    """`base` (the caller's environment) with the stack's own addresses, ports and keys."""
    return {
        **base,
        **addresses,
        **{f"TASUKI_{name.upper()}_PORT": str(port) for name, port in ports.items()},
        "TASUKI_HOST": "127.0.0.1",
        "TASUKI_WRITE_KEYS": _with(base.get("TASUKI_WRITE_KEYS"), f"{access.write_key}={SOURCE}"),
        "TASUKI_API_TOKENS": _with(base.get("TASUKI_API_TOKENS"), f"{access.token}={SOURCE}:read+write"),
        "PYTHONUNBUFFERED": "1",
    }


def _with(present: str | None, item: str) -> str:
    return f"{present},{item}" if present else item


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still winding down is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
