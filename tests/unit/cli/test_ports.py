"""Ports of a stack: two that start at the same moment must not choose the same."""

from __future__ import annotations

import socket

import pytest

from services.cli.stack.environment import chosen_ports, make_access, service_environment
from shared.parts.ports import free_ports


@pytest.fixture
def usual() -> dict[str, int]:
    """Usual ports that nobody else on this machine uses."""
    return dict(zip(("ingest", "scorer", "router"), free_ports(3), strict=True))


def test_the_usual_ports_where_they_are_free(usual: dict[str, int]) -> None:
    with chosen_ports({}, usual) as ports:
        assert ports == usual


def test_two_stacks_at_once_differ(usual: dict[str, int]) -> None:
    with chosen_ports({}, usual) as first, chosen_ports({}, usual) as second:
        assert not set(first.values()) & set(second.values())
    with chosen_ports({}, usual) as third:
        assert third == usual, "the ports were not released"


def test_a_port_that_is_taken_is_left_alone(usual: dict[str, int]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", usual["scorer"]))
        other.listen()
        with chosen_ports({}, usual) as ports:
            assert ports["scorer"] != usual["scorer"]
            assert ports["ingest"] == usual["ingest"]


def test_a_port_that_is_asked_for_is_taken(usual: dict[str, int]) -> None:
    with chosen_ports({"TASUKI_ROUTER_PORT": "18082"}, usual) as ports:
        assert ports == usual | {"router": 18082}


def test_services_are_told_keys_beside_those_of_the_user() -> None:
    access = make_access({"ingest": 1}, {"TASUKI_WRITE_KEY": "mine"})
    told = service_environment({"TASUKI_WRITE_KEYS": "theirs=web"}, {}, {"ingest": 1}, access)
    assert told["TASUKI_WRITE_KEYS"] == "theirs=web,mine=tasuki-up"
    assert told["TASUKI_API_TOKENS"] == f"{access.token}=tasuki-up:read+write+erase"
    assert told["TASUKI_INGEST_PORT"] == "1"
