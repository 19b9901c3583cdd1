"""However the launcher is started and however it ends, it leaves nothing behind."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.parts import PartsKind
from shared.parts.ports import free_ports
from shared.parts.readiness import NotReadyError, kafka_answers, sql
from shared.parts.surroundings import apache_problem
from tests.integration.parts.conftest import Launcher, command_lines

Launch = Callable[..., Launcher]
NO_APACHE = apache_problem("")
needs_apache = pytest.mark.skipif(NO_APACHE is not None, reason=str(NO_APACHE))
KINDS = [pytest.param("apache", marks=needs_apache), "embedded"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_embedded_parts_go_with_their_launcher(launch: Launch, number: signal.Signals) -> None:
    launcher = launch("--kind", "embedded")
    assert launcher.addresses()
    assert len(launcher.leftovers()) > 3, "the parts run in this directory"
    launcher.end(number)
    assert launcher.leaves_nothing(), launcher.leftovers()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_start_broken_off_leaves_nothing(launch: Launch, kind: str, number: signal.Signals) -> None:
    launcher = launch("--kind", kind)
    while not launcher.leftovers():
        time.sleep(0.01)
    launcher.end(number)
    assert launcher.leaves_nothing(), launcher.leftovers()


@needs_apache
def test_of_two_at_once_one_is_killed_and_the_other_goes_on(launch: Launch) -> None:
    one, other = launch("--kind", "apache"), launch("--kind", "apache")
    addresses, others = one.addresses(), other.addresses()
    assert not set(addresses.values()) & set(others.values())
    one.end(signal.SIGKILL)
    while _answers(addresses):
        time.sleep(0.05)
    assert _answers(others)
    other.end(signal.SIGKILL)
    assert other.leaves_nothing(), other.leftovers()


def _answers(addresses: dict[str, str]) -> bool:
    try:
        kafka_answers({"bootstrap_servers": addresses["TASUKI_KAFKA_BOOTSTRAP"]})
        return bool(sql(addresses["TASUKI_DATABASE_URL"], "SELECT 1") == 1)
    except NotReadyError:
        return False


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root can become somebody else")
def test_an_ordinary_user_can_start_them(launch: Launch) -> None:
    # The capability to read everything is kept: this Python may lie where only root can read.
    become = "setpriv --reuid nobody --regid nogroup --clear-groups"
    able = "--inh-caps +dac_read_search --ambient-caps +dac_read_search"
    launcher = launch("--kind", "embedded" if NO_APACHE else "apache", before=(*become.split(), *able.split()))
    addresses = launcher.addresses()
    assert addresses, launcher.process.communicate()
    assert _answers(addresses)
    ours = [pid for pid, line in command_lines().items() if str(launcher.directory) in line]
    assert ours
    assert {Path(f"/proc/{pid}").stat().st_uid for pid in ours} == {pwd.getpwnam("nobody").pw_uid}
    launcher.end(signal.SIGKILL)
    assert launcher.leaves_nothing(), launcher.leftovers()


def test_addresses_that_do_not_answer_are_named(launch: Launch) -> None:
    (nobody,) = free_ports(1)
    given = {
        "TASUKI_KAFKA_BOOTSTRAP": f"127.0.0.1:{nobody}",
        "TASUKI_DATABASE_URL": f"postgresql://127.0.0.1:{nobody}/x",
    }
    said = launch(**given).complaint()
    assert f"Kafka of TASUKI_KAFKA_BOOTSTRAP=127.0.0.1:{nobody} does not answer" in said
    assert "Postgres of TASUKI_DATABASE_URL does not answer" in said


def test_an_unknown_kind_is_refused_at_once(launch: Launch) -> None:
    assert "use docker, apache, embedded" in launch(TASUKI_PARTS="podman").complaint()


@needs_apache
def test_a_broker_that_cannot_start_shows_the_end_of_its_log(launch: Launch, directory: Path) -> None:
    data = directory / "kept" / "kafka" / "kafka"
    data.mkdir(parents=True)
    (data / "meta.properties").write_text("version=1\nnode.id=7\n")
    launcher = launch("--kind", "apache", "--data-dir", str(directory / "kept"))
    said = launcher.complaint()
    assert "ended while starting" in said
    assert "cluster.id was not found" in said


def test_kinds_have_the_names_of_the_contract() -> None:
    assert {str(kind) for kind in PartsKind} == {"given", "docker", "apache", "embedded"}
