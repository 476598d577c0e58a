"""What the backup system's program says is understood, and what it names is recognised."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from cli.drill.vault_harm import named_in
from cli.drill.vault_service import Answer, InContainers, answer
from cli.errors import OperationFailed

SEGMENT = "000000010000000000000007"
WAL_KEY = f"pgbackrest/archive/main/17-1/0000000100000000/{SEGMENT}-{'a' * 40}.zst"
BACKUP_FOLDER = "pgbackrest/backup/main/20261123-010000F_20261124-010000D"


class FakeContainer:
    def __init__(self, status: int, said: str | None, complaint: str = "") -> None:
        self.answered = (status, (said and said.encode(), complaint.encode()))
        self.commands: list[list[str]] = []

    def exec_run(self, command: list[str], *, demux: bool) -> Any:
        assert demux
        self.commands.append(command)
        return SimpleNamespace(exit_code=self.answered[0], output=self.answered[1])


def service(container: FakeContainer, leader: str | None = "postgres-2") -> InContainers:
    return InContainers(
        SimpleNamespace(
            container=lambda member: container,
            postgres_status=lambda: SimpleNamespace(leader=leader),
        )
    )


def test_it_is_asked_for_json_and_ended_inside_when_it_hangs() -> None:
    container = FakeContainer(0, '{"window": null}\n')
    assert service(container).ask("backup-1", "info", seconds=7).value() == {"window": None}
    assert container.commands == [["timeout", "7", "backup-service", "info", "--json"]]


def test_a_hanging_program_is_said_to_hang() -> None:
    found = service(FakeContainer(124, None)).ask("backup-1", "run", "full")
    assert found.failure() == "backup-service run full in backup-1 did not end in time"


def test_a_record_and_an_answer_are_told_apart_from_progress() -> None:
    record = {"event": "record", "kind": "full", "result": "failed", "error": "no room"}
    progress = {"event": "progress", "what": "full", "done": 1, "total": None}
    found = answer("x", 1, "\n".join(map(json.dumps, (progress, record, progress))), "")
    assert found.record() == record
    assert found.error() == "no room"
    said = answer("x", 0, f"{json.dumps({'restored': 3})}\n{json.dumps(progress)}\n", "")
    assert said.record() is None
    assert said.value() == {"restored": 3}


def test_an_error_is_made_of_all_that_was_said_each_once() -> None:
    said = [
        {"event": "error", "message": "the restore test failed"},
        {
            "event": "record",
            "kind": "restore-test",
            "result": "failed",
            "error": "the restore test failed",
            "verified": [
                {"what": "page checksums", "result": True, "detail": "fine"},
                {"what": "dump", "result": False, "detail": "ledger.dump has no end"},
            ],
        },
    ]
    text = "\n".join(map(json.dumps, said))
    assert answer("x", 1, text, "a warning\n").error() == (
        "the restore test failed; dump: ledger.dump has no end; a warning"
    )


@pytest.mark.parametrize("found", [Answer("x", 0), Answer("x", 1, ({"a": 1},))])
def test_an_answer_that_is_none_is_a_failure(found: Answer) -> None:
    with pytest.raises(OperationFailed, match="x ended with"):
        found.value()


def test_the_segment_is_closed_on_the_primary_and_not_waited_for() -> None:
    container = FakeContainer(0, "0/3000060\n")
    service(container).close_segment()
    assert container.commands[0][-1] == "SELECT pg_switch_wal()"
    # Nothing would be closed that nothing was written to.
    assert "pg_logical_emit_message" in container.commands[0][-3]
    with pytest.raises(OperationFailed, match="no primary"):
        service(container, leader=None).close_segment()
    with pytest.raises(OperationFailed, match="postgres-2: not now"):
        service(FakeContainer(2, None, "not now\n")).close_segment()


def test_a_file_that_is_not_there_is_one_error() -> None:
    assert service(FakeContainer(0, "{}")).read("backup-1", "/x") == "{}"
    with pytest.raises(OperationFailed, match="backup-1: cat: /x: No such file"):
        service(FakeContainer(1, None, "cat: /x: No such file")).read("backup-1", "/x")


@pytest.mark.parametrize(
    ("text", "key", "name"),
    [
        (f"ERROR: unable to get {WAL_KEY}", WAL_KEY, WAL_KEY),
        (f"WAL segment {SEGMENT} is missing", WAL_KEY, SEGMENT),
        ("WAL segment 000000010000000000000008 is missing", WAL_KEY, ""),
        (
            "base/5/2619 differs",
            f"{BACKUP_FOLDER}/pg_data/base/5/2619.zst",
            "5/2619",
        ),
        (
            "/pgbackrest/backup is damaged: backup/main/20261123-010000F_20261124-010000D",
            f"{BACKUP_FOLDER}/bundle/1",
            "20261123-010000F_20261124-010000D",
        ),
        ("1 of 1 checks failed in 1 s", f"{BACKUP_FOLDER}/bundle/1", ""),
        ("2619 pages were read", f"{BACKUP_FOLDER}/pg_data/base/5/2619.zst", ""),
        (
            "ledger.dump ends early",
            "logical/20261123T020000Z/ledger.dump.gpg",
            "ledger.dump",
        ),
        ("old-ledger.dump ends early", "logical/20261123T020000Z/ledger.dump.gpg", ""),
    ],
)
def test_a_name_is_recognised_and_no_other(text: str, key: str, name: str) -> None:
    assert named_in(text, [key]) == name
