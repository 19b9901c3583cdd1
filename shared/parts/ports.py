"""Free TCP ports that stay free."""

from __future__ import annotations

import random
import socket
from pathlib import Path

LOWEST = 15_000
USUAL_EPHEMERAL = 32_768
RANGE_FILE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_ports(count: int) -> list[int]:
    """Different free ports on 127.0.0.1, below those that the system gives to outgoing connections.

    An ephemeral port would be taken while its broker is down for a restart: by any client, even by one that tries
    to connect to that very port and so meets itself.
    """
    highest = int(RANGE_FILE.read_text().split()[0]) if RANGE_FILE.exists() else USUAL_EPHEMERAL
    candidates = range(LOWEST, highest) if highest > LOWEST + 1000 else range(LOWEST, USUAL_EPHEMERAL)
    found: list[int] = []
    while len(found) < count:
        port = random.SystemRandom().choice(candidates)
        if port not in found and _is_free(port):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
