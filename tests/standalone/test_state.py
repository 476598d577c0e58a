"""The state file: whole or not at all, for its owner's eyes only, and refused when it is wrong."""

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from standalone import state as state_module
from standalone.state import State, StateError, replace_file

ENTRY = {"type": "t", "inputs": {"a": "1"}, "outputs": {"result": "x"}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".selfmonitor" / "local" / "state.json"


def opened(path: Path, stack: str = "local", project: str = "selfmonitor") -> State:
    return State(path, project, stack)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def refusal(path: Path, **arguments: str) -> str:
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(StateError) as caught:
        opened(path, **arguments)
    assert (path.read_bytes() if path.is_file() else None) == before, "it was changed"
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert message.startswith(str(path))
    return message


def test_looking_at_a_stack_that_never_was_makes_no_file(path: Path) -> None:
    found = opened(path)
    assert (found.resources, found.outputs) == ({}, {})
    assert not path.exists()


def test_what_was_recorded_is_there_for_the_next_run(path: Path) -> None:
    first = opened(path)
    first.record("urn:a", ENTRY)
    first.set_outputs({"o": [1, {"p": "q"}]})
    again = opened(path)
    assert again.resources == {"urn:a": ENTRY}
    assert again.outputs == {"o": [1, {"p": "q"}]}


def test_a_record_is_on_disk_before_the_call_returns(path: Path) -> None:
    opened(path).record("urn:a", ENTRY)
    assert json.loads(path.read_text())["resources"] == {"urn:a": ENTRY}


def test_the_file_and_its_folder_are_for_its_owner_alone(path: Path) -> None:
    before = os.umask(0)
    try:
        found = opened(path)
        found.begin()
        found.record("urn:a", ENTRY)
        found.begin()
    finally:
        os.umask(before)
    assert mode(path) == 0o600
    assert mode(found.previous) == 0o600
    assert mode(path.parent) == 0o700


def test_a_run_begins_with_a_file_even_when_it_has_made_nothing_yet(path: Path) -> None:
    opened(path).begin()
    assert opened(path).resources == {}
    assert path.exists()


def test_the_copy_before_the_first_change_is_kept(path: Path) -> None:
    first = opened(path)
    first.begin()
    first.record("urn:a", ENTRY)
    second = opened(path)
    second.begin()
    second.record("urn:b", ENTRY)
    assert second.previous.name == "state.previous.json"
    assert opened(second.previous).resources.keys() == {"urn:a"}
    assert opened(path).resources.keys() == {"urn:a", "urn:b"}


def test_what_is_no_longer_declared_is_forgotten(path: Path) -> None:
    found = opened(path)
    for urn in ("urn:a", "urn:b"):
        found.record(urn, ENTRY)
    found.forget_all_but({"urn:b"})
    assert opened(path).resources.keys() == {"urn:b"}


def test_nothing_is_written_when_nothing_changed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = opened(path)
    found.record("urn:a", ENTRY)
    found.set_outputs({"o": 1})
    writes: list[Path] = []
    monkeypatch.setattr(state_module, "replace_file", lambda file, text: writes.append(file))
    found.record("urn:a", dict(ENTRY))
    found.set_outputs({"o": 1})
    found.forget_all_but({"urn:a", "urn:c"})
    assert writes == []
    found.set_outputs({"o": 2})
    assert writes == [path]


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_whole_and_nothing_beside_it(
    path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    found = opened(path)
    found.record("urn:a", ENTRY)
    before = path.read_bytes()

    def full(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, fails, full)
    with pytest.raises(OSError, match="No space left"):
        found.record("urn:b", ENTRY)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["state.json"]


def test_the_content_is_durable_before_it_takes_the_files_place(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(handle: int) -> None:
        order.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        fsync(handle)

    def noted_replace(old: Any, new: Any) -> None:
        order.append("replace")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    replace_file(path, b"x")
    assert order == ["file", "replace", "folder"]


def test_a_file_is_replaced_and_not_written_into(path: Path) -> None:
    """Whoever reads it just then sees the old one or the new one, whole."""
    replace_file(path, b"old")
    with path.open("rb") as reader:
        replace_file(path, b"newer")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"newer"


GOOD = {"version": 1, "project": "selfmonitor", "stack": "local", "resources": {}, "outputs": {}}


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in GOOD.items() if name != key}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        json.dumps(GOOD).encode()[:-5],
        b"\x00" * 100,
        b"\xff\xfe{}",
        b"[]",
        b"null",
        b'"text"',
        json.dumps(without("resources")).encode(),
        json.dumps(without("outputs")).encode(),
        json.dumps(without("stack")).encode(),
        json.dumps({**GOOD, "resources": []}).encode(),
        json.dumps({**GOOD, "outputs": None}).encode(),
    ],
)
def test_a_corrupt_file_is_refused_with_what_to_do_and_left_alone(
    path: Path, content: bytes
) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    message = refusal(path)
    assert "the state file is corrupt" in message
    assert "put back a good copy (the one before is state.previous.json" in message


@pytest.mark.parametrize("entry", ["text", 3, None, [], {}, {"inputs": 1, "outputs": {}}])
def test_an_entry_that_cannot_be_one_makes_the_file_corrupt(path: Path, entry: Any) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({**GOOD, "resources": {"urn:a": entry}}))
    assert "the state file is corrupt" in refusal(path)


def test_a_state_of_another_stack_is_refused_by_name(path: Path) -> None:
    opened(path, stack="staging").begin()
    assert "belongs to stack staging, not local" in refusal(path)


def test_a_state_of_another_project_is_refused_by_name(path: Path) -> None:
    opened(path, project="other").begin()
    assert "belongs to project other, not selfmonitor" in refusal(path)


def test_a_state_of_a_newer_version_is_refused(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({**GOOD, "version": 2}))
    assert "belongs to version 2, not 1" in refusal(path)


def test_a_state_that_cannot_be_read_says_why(path: Path) -> None:
    path.mkdir(parents=True)
    assert "cannot be read: Is a directory" in refusal(path)


def test_what_a_killed_write_left_behind_is_gone_with_the_next_run(path: Path) -> None:
    opened(path).begin()
    for name in (".state.json.abc123", ".state.previous.json.def456"):
        (path.parent / name).write_text("secret")
    (path.parent / "ca.crt").write_text("public")
    opened(path).begin()
    assert {file.name for file in path.parent.iterdir()} == {
        "ca.crt",
        "state.json",
        "state.previous.json",
    }
