"""The command line as its users meet it: messages and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.staffed import staffed_text

DEFAULT = Path(__file__).parents[3] / "shared" / "playbook" / "default.yaml"


def tasuki(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TASUKI_")}
    command = [sys.executable, "-m", "services.cli.main", *arguments]
    return subprocess.run(command, env=inherited | environment, capture_output=True, text=True, timeout=60, check=False)


def test_a_valid_playbook() -> None:
    result = tasuki("playbook", "validate")
    assert result.returncode == 0, result.stderr
    assert "valid, the-model@1#" in result.stdout


def test_what_may_not_have_been_meant_is_noted_of_a_valid_playbook(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    rest = "      hq-corporate: {label"
    assert rest in DEFAULT.read_text("utf-8")
    file.write_text(
        DEFAULT.read_text("utf-8").replace(rest, "      hq-corporate: {territory: {prefecture: [東京都]}, label")
    )
    result = tasuki("playbook", "validate", str(file))
    assert result.returncode == 0, result.stderr
    assert "note: departments.field-sales.teams: every team has a territory" in result.stdout
    assert "note" not in tasuki("playbook", "validate").stdout


def test_teams_are_shown_with_what_they_take(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(staffed_text(), "utf-8")
    shown = tasuki("playbook", "show", str(file), "--language", "en", NO_COLOR="1").stdout
    assert "大阪府 京都府" in shown
    assert [part in shown for part in ("company.employees at_least 1000", "株式会社アクメ", "beta.example")] == [
        True
    ] * 3


def test_a_broken_playbook_is_told_with_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(DEFAULT.read_text("utf-8").replace("valid_for: 90d", "valid_for: 90x\n  valid_fro: 3d"), "utf-8")
    line = next(n for n, text in enumerate(file.read_text("utf-8").splitlines(), 1) if "valid_for" in text)
    result = tasuki("playbook", "validate", str(file))
    assert result.returncode == 1
    assert f"{file}:{line}: levels.valid_for: " in result.stderr
    assert f"{file}:{line + 1}: levels.valid_fro: unknown key 'valid_fro'" in result.stderr
    assert "2 problems" in result.stderr
    assert "Traceback" not in result.stderr


def test_another_command_refuses_a_broken_playbook_in_words(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("playbook: x\n", "utf-8")
    result = tasuki("playbook", "show", str(file))
    assert result.returncode == 2
    assert f"{file}:1: " in result.stderr
    assert "Traceback" not in result.stderr


def test_the_schema_accepts_what_the_loader_accepts() -> None:
    """Also bare values and lists for checks, texts for deadlines, days, and a person's label."""
    schema = json.loads(tasuki("playbook", "schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    accepts = jsonschema.Draft202012Validator(schema).is_valid
    playbook = yaml.load(staffed_text(), yaml.BaseLoader)["departments"]  # editors read days as texts
    whole = yaml.safe_load(DEFAULT.read_text("utf-8"))
    assert accepts(whole)
    people = playbook["field-sales"]["teams"]["osaka-branch"]["people"]
    assert accepts(whole | {"departments": as_numbers(playbook)})
    people["sato"]["max_laod"] = "3"
    assert not accepts(whole | {"departments": as_numbers(playbook)})


def as_numbers(value: Any) -> Any:
    """Numbers as editors read them; everything else as it is written."""
    if isinstance(value, dict):
        return {name: as_numbers(one) for name, one in value.items()}
    if isinstance(value, list):
        return [as_numbers(one) for one in value]
    return int(value) if value.isdecimal() else value


@pytest.mark.parametrize(("language", "word"), [("ja", "有望リード"), ("en", "Hot lead")])
def test_show_in_words(language: str, word: str) -> None:
    result = tasuki("playbook", "show", "--language", language, NO_COLOR="1")
    assert result.returncode == 0, result.stderr
    assert word in result.stdout


def test_all_missing_settings_are_listed_together() -> None:
    result = tasuki("serve", "router", TASUKI_ROUTER_PORT="far")
    assert result.returncode not in (0, None)
    for variable in ("TASUKI_KAFKA_BOOTSTRAP", "TASUKI_DATABASE_URL", "TASUKI_ROUTER_PORT"):
        assert variable in result.stderr
    assert "Traceback" not in result.stderr


def test_topics_cannot_be_created_without_kafka() -> None:
    result = tasuki("topics", "create", TASUKI_KAFKA_BOOTSTRAP="127.0.0.1:9")
    assert result.returncode == 2
    assert "no Kafka answers at 127.0.0.1:9" in result.stderr
    assert "Traceback" not in result.stderr


def test_keys_are_shown_once_and_kept_as_digests(tmp_path: Path) -> None:
    file = tmp_path / "keys.yaml"
    write = tasuki("keys", "create", "--kind", "write", "--source", "website", "--file", str(file))
    token = tasuki("keys", "create", "--kind", "token", "--name", "crm", "--scopes", "read,write", "--file", str(file))
    assert (write.returncode, token.returncode) == (0, 0), write.stderr + token.stderr
    kept = yaml.safe_load(file.read_text("utf-8"))
    assert [(entry["kind"], entry["name"]) for entry in kept] == [("write", "website"), ("token", "crm")]
    assert write.stdout.strip() not in file.read_text("utf-8")
    assert len(write.stdout.strip()) > 20


def test_keys_are_listed_with_what_they_may_and_revoked(tmp_path: Path) -> None:
    file = ("--file", str(tmp_path / "keys.yaml"))
    limits = ("--origins", "https://*.example.co.jp", "--events-per-second", "50", "--burst", "500")
    for name in ("website", "website", "fair"):
        assert tasuki("keys", "create", "--kind", "write", "--name", name, *limits, *file).returncode == 0
    listed = tasuki("keys", "list", *file).stdout.splitlines()
    assert [line.split()[1] for line in listed] == ["website", "website", "fair"]
    assert listed[0].endswith("https://*.example.co.jp 50/s (burst 500)")
    both = tasuki("keys", "revoke", "website", *file)
    assert (both.returncode, "2 keys" in both.stderr) == (2, True)
    assert tasuki("keys", "revoke", listed[1].split()[3], *file).returncode == 0
    assert tasuki("keys", "list", *file).stdout.splitlines() == [listed[0], listed[2]]
    assert "has no key 'nobody'" in tasuki("keys", "revoke", "nobody", *file).stderr
    wrong = tasuki("keys", "create", "--kind", "write", "--name", "x", "--origins", "example.co.jp", *file)
    assert (wrong.returncode, "is no origin" in wrong.stderr) == (2, True)


def test_a_token_needs_known_scopes(tmp_path: Path) -> None:
    result = tasuki(
        "keys", "create", "--kind", "token", "--name", "crm", "--scopes", "fly", "--file", str(tmp_path / "k")
    )
    assert result.returncode == 2
    assert "fly" in result.stderr
    assert "Traceback" not in result.stderr


def test_import_refuses_a_broken_mapping(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("a\n1\n")
    (tmp_path / "map.yaml").write_text("events: []\n")
    result = tasuki(
        *("import", str(tmp_path / "list.csv"), "--mapping", str(tmp_path / "map.yaml")),
        *("--to", "http://127.0.0.1:9", "--write-key", "k"),
    )
    assert result.returncode == 2
    assert f"{tmp_path / 'map.yaml'}:1: events: " in result.stderr


def test_import_says_when_nobody_answers(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("mail,at\nm,2026-01-01\n")
    (tmp_path / "map.yaml").write_text(
        'events: [{type: track, event: X, userId: "{mail}", timestamp: "{at}"}]\n', "utf-8"
    )
    result = tasuki(
        *("import", str(tmp_path / "list.csv"), "--mapping", str(tmp_path / "map.yaml")),
        *("--to", "http://127.0.0.1:9", "--write-key", "k", "--patience", "1"),
    )
    assert result.returncode == 2
    assert "no answer from http://127.0.0.1:9" in result.stderr
