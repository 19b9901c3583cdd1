"""Keys: made, kept as digests, found again."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from shared.keys import KeyKind, KeyRing, append_key, create_key, digest, read_keys, tokens_from, write_keys_from
from shared.settings import ConfigurationError


def test_a_created_key_is_found_by_its_secret_only(tmp_path: Path) -> None:
    file = tmp_path / "keys.yaml"
    secret, entry = create_key(KeyKind.WRITE, "website")
    token, token_entry = create_key(KeyKind.TOKEN, "crm", ["read", "write"])
    append_key(file, entry)
    append_key(file, token_entry)
    ring = KeyRing(read_keys(file))
    assert ring.find(KeyKind.WRITE, secret) == entry
    assert ring.find(KeyKind.TOKEN, token) == token_entry
    assert ring.find(KeyKind.TOKEN, secret) is None
    assert ring.find(KeyKind.WRITE, entry.sha256) is None
    assert ring.find(KeyKind.WRITE, "") is None
    assert secret not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_comments_in_the_file_stay_and_json_is_read_too(tmp_path: Path) -> None:
    commented = tmp_path / "keys.yaml"
    commented.write_text(f"# ours\n- kind: write\n  name: a\n  sha256: {digest('s')}\n")
    append_key(commented, create_key(KeyKind.WRITE, "b")[1])
    assert commented.read_text().startswith("# ours\n")
    assert [entry.name for entry in read_keys(commented)] == ["a", "b"]

    as_json = tmp_path / "keys.json"
    as_json.write_text(json.dumps([{"kind": "write", "name": "a", "sha256": digest("s")}]))
    append_key(as_json, create_key(KeyKind.WRITE, "b")[1])
    assert [entry.name for entry in read_keys(as_json)] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kind: write", "Expected `array`"),
        ("- {kind: write, name: a}", "sha256"),
        ("- {kind: write, name: a, sha256: abc}", "64 hexadecimal"),
        ("- {kind: other, name: a, sha256: abc}", "kind"),
        ("- {kind: write, name: 'a b', sha256: '" + "0" * 64 + "'}", "'a b'"),
        ("- {kind: token, name: a, sha256: '" + "0" * 64 + "', scopes: [root]}", "root"),
        ("- {kind: token, name: a, sha256: '" + "0" * 64 + "'}", "no scopes"),
        ("- [", "while parsing"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong_and_left_alone(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "keys.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as error:
        append_key(file, create_key(KeyKind.WRITE, "new")[1])
    assert str(file) in str(error.value)
    assert says in str(error.value)
    assert file.read_text() == text
    assert list(tmp_path.iterdir()) == [file]


def test_keys_by_variable() -> None:
    ring = KeyRing(write_keys_from(" k1=web, a2V5==crm ,"))
    assert [ring.find(KeyKind.WRITE, key).name for key in ("k1", "a2V5=")] == ["web", "crm"]  # type: ignore[union-attr]
    (token,) = tokens_from("t0=tool:read+write")
    assert (token.name, token.scopes) == ("tool", ("read", "write"))


@pytest.mark.parametrize("text", ["sesame", "=web", "sesame=", "sesame=my site", "sesame=web:read"])
def test_wrong_write_keys_by_variable_are_errors_that_do_not_show_the_secret(text: str) -> None:
    with pytest.raises(ConfigurationError, match="item 2") as error:
        write_keys_from(f"ok=web,{text}")
    assert "sesame" not in str(error.value)


@pytest.mark.parametrize("text", ["t=tool", "t=tool:", "t=tool:fly"])
def test_a_token_needs_known_scopes(text: str) -> None:
    with pytest.raises(ConfigurationError, match="scopes"):
        tokens_from(text)
