"""What the services of one stack are told."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
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


@contextmanager
def chosen_ports(environment: Mapping[str, str], usual: Mapping[str, int] = USUAL_PORTS) -> Iterator[dict[str, int]]:
    """Those of TASUKI_<SERVICE>_PORT, else the usual ones, else free ones where others have these."""
    others = iter(free_ports(len(usual)))
    with ExitStack() as reserved:
        yield {
            name: int(environment.get(f"TASUKI_{name.upper()}_PORT", 0))
            or (port if _reserve(port, reserved) else next(others))
            for name, port in usual.items()
        }


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
        "TASUKI_API_TOKENS": _with(base.get("TASUKI_API_TOKENS"), f"{access.token}={SOURCE}:read+write+erase"),
        "PYTHONUNBUFFERED": "1",
    }


def _with(present: str | None, item: str) -> str:
    return f"{present},{item}" if present else item


def _reserve(port: int, until: ExitStack) -> bool:
    """Whether nobody listens at `port`, and no other stack is about to.

    Seconds pass until a service opens its port. The UDP port of the same number, which nobody uses, tells a second
    stack that is started meanwhile; the system releases it however we end."""
    if not _is_free(port):
        return False
    mark = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        mark.bind(("127.0.0.1", port))
    except OSError:
        mark.close()
        return False
    until.enter_context(mark)
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still winding down is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
