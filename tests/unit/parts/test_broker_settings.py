"""The broker's settings as the JVM and the image read them."""

from __future__ import annotations

from shared.parts.broker_settings import as_environment, as_properties, container_settings, local_settings


def test_paths_survive_the_format_of_java_properties() -> None:
    text = as_properties({"log.dirs": "/tmp/two words/襷\\𠮷"})
    assert text == "log.dirs=/tmp/two words/\\u8977\\\\\\ud842\\udfb7\n"


def test_a_container_has_a_way_to_itself() -> None:
    variables = as_environment(container_settings("127.0.0.1:20001"))
    assert variables["KAFKA_ADVERTISED_LISTENERS"] == "PLAINTEXT://127.0.0.1:20001,INTERNAL://localhost:9094"
    assert variables["KAFKA_INTER_BROKER_LISTENER_NAME"] == "INTERNAL"


def test_one_node_needs_no_replicas() -> None:
    for settings in (local_settings(1, 2, "/d"), container_settings("h:1")):
        assert {value for name, value in settings.items() if "replication.factor" in name or ".isr" in name} == {"1"}


def test_clients_behind_a_proxy_are_told_to_go_through_it() -> None:
    settings = local_settings(1, 2, "/d", {3: 4})
    assert settings["listeners"] == "PLAINTEXT://127.0.0.1:1,PROXIED_0://127.0.0.1:3,CONTROLLER://127.0.0.1:2"
    assert settings["advertised.listeners"] == "PLAINTEXT://127.0.0.1:1,PROXIED_0://127.0.0.1:4"
    assert settings["inter.broker.listener.name"] == "PLAINTEXT"
