"""A storm of equal lines becomes one line that says how many there were; our own lines all pass."""

from __future__ import annotations

import logging
import sys

import pytest

from shared.logs import FORMAT, QUIET_SECONDS, Calm, Discreet


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def calm(clock: Clock) -> Calm:
    return Calm(clock)


def line(name: str, node: int = 1) -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, "", 0, "Unable connect to node with id %s", (node,), None)


def test_equal_lines_are_shown_once_and_then_counted(calm: Calm, clock: Clock) -> None:
    shown = [calm.filter(line("aiokafka")) for _ in range(100)]
    assert shown == [True] + [False] * 99
    clock.now = QUIET_SECONDS
    later = line("aiokafka", 2)
    assert calm.filter(later)
    assert later.getMessage() == "Unable connect to node with id 2 (and 99 more like it)"


def test_lines_of_another_kind_are_not_held_back(calm: Calm) -> None:
    assert calm.filter(line("aiokafka"))
    assert calm.filter(line("aiokafka.consumer"))
    assert not calm.filter(line("aiokafka.consumer"))


def test_our_own_lines_all_pass(calm: Calm) -> None:
    assert all(calm.filter(line("services.router.relay")) for _ in range(10))


def test_a_line_made_up_anew_each_time_costs_no_memory(calm: Calm) -> None:
    for number in range(5_000):
        record = line("faust")
        record.msg, record.args = f"line {number}", ()
        assert calm.filter(record)
    assert len(calm._shown) <= 1_000


def test_addresses_are_left_out_also_of_tracebacks() -> None:
    try:
        raise ValueError("cannot read 'taro.yamada+news@mail.example.co.jp': no comma")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "of %s", ("hanako@example.jp",), sys.exc_info())
    text = Discreet(FORMAT).format(record)
    assert "of (e-mail address)" in text
    assert "cannot read '(e-mail address)': no comma" in text
    assert "example" not in text
