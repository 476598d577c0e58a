"""What is made of what pgBackRest says. The lines are its own, of a real run."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from backup_service import pgbackrest
from backup_service.errors import LONGEST_LINE, Terminated
from backup_service.pgbackrest import PgBackRestError, new_label, repository, run, warnings
from backup_service.progress import Progress

BACKUP = """\
2026-11-23 01:37:19.370 P00   INFO: backup command begin 2.55.1: --repo1-cipher-pass=<redacted>
2026-11-23 01:37:19.392 P00 DETAIL: store zero-length file /tmp/data/base/1/13394
2026-11-23 01:37:19.500 P01 DETAIL: backup file postgres-1:/data/base/1/16385 (1GB, 50.00%) \
checksum 29360a00
2026-11-23 01:37:19.637 P02 DETAIL: backup file postgres-2:/data/base/1/1 (bundle 2/20752, 1GB, \
100.00%) checksum 29360a00
2026-11-23 01:37:19.638 P00   INFO: new backup label = 20261123-013719F
2026-11-23 01:37:19.656 P00   INFO: full backup size = 2GB, file total = 965
"""
RESTORE = """\
2026-11-23 01:37:20.074 P01 DETAIL: restore file /data2/base/1/1255 (512.5KB, 45.31%) checksum 46f8
2026-11-23 01:37:20.074 P01 DETAIL: restore file /data2/base/1/13404 (0B, 100.00%)
2026-11-23 01:37:20.179 P00   INFO: restore size = 38.0MB, file total = 965
"""


def told(command: str, **more: Any) -> list[tuple[Any, ...]]:
    events: list[dict[str, Any]] = []
    run(command, progress=Progress(events.append, clock=iter(range(1000)).__next__), **more)
    return [(each["what"], each["done"], each["total"]) for each in events]


def test_a_backups_progress_is_in_bytes(fake_pgbackrest: Any) -> None:
    fake_pgbackrest.answers("backup", BACKUP)
    assert told("backup") == [("backup", 2**30, 2**31), ("backup", 2**31, 2**31)]


def test_a_restores_progress_is_of_the_size_that_is_known(fake_pgbackrest: Any) -> None:
    fake_pgbackrest.answers("restore", RESTORE)
    assert told("restore", total=1000) == [("restore", 453, 1000), ("restore", 1000, 1000)]


def test_what_it_logs_comes_back_without_single_files(fake_pgbackrest: Any) -> None:
    fake_pgbackrest.answers("backup", BACKUP, "WARN: no prior backup exists, made a full one\n")
    printed = run("backup", "--type=diff", progress=None)
    assert "DETAIL" not in printed
    assert new_label(printed) == "20261123-013719F"
    assert warnings(printed) == ["no prior backup exists, made a full one"]
    (call,) = fake_pgbackrest.calls()
    assert call == [
        "backup",
        "--stanza=main",
        "--log-level-console=detail",
        "--log-level-stderr=warn",
        "--type=diff",
    ]


def test_what_a_command_prints_is_not_mixed_with_its_log(fake_pgbackrest: Any) -> None:
    fake_pgbackrest.answers("repo-get", "content\n", "WARN: something\n")
    assert run("repo-get", stanza=None) == "content\n"
    (call,) = fake_pgbackrest.calls()
    assert "--log-level-console=off" in call
    assert not any(each.startswith("--stanza") for each in call)


def test_an_error_is_one_line_with_its_hint_and_its_code(fake_pgbackrest: Any) -> None:
    fake_pgbackrest.answers(
        "restore",
        "2026-11-23 01:37:19.717 P00 INFO: restore command begin\n",
        "ERROR: [040]: unable to restore to path '/data' because it contains files\n"
        "       HINT: try using --delta if this is what you intended.\n",
        status=40,
    )
    with pytest.raises(PgBackRestError) as caught:
        run("restore")
    assert caught.value.code == 40
    assert str(caught.value) == (
        "pgbackrest restore: unable to restore to path '/data' because it contains files [040] "
        "(try using --delta if this is what you intended.)"
    )


def test_an_error_in_the_log_is_found_too(fake_pgbackrest: Any) -> None:
    line = "2026-11-23 01:37:19.717 P00  ERROR: [032]: key 'x' is missing\n"
    fake_pgbackrest.answers("check", line, status=32)
    with pytest.raises(PgBackRestError, match=r"^pgbackrest check: key 'x' is missing \[032\]$"):
        run("check")


def test_an_error_names_the_warning_it_comes_from(fake_pgbackrest: Any) -> None:
    fake_pgbackrest.answers(
        "restore",
        "",
        "WARN: repo1: [FormatError] unable to load info file '/repo/backup.info':\n"
        "      FormatError: key/value found outside of section at line 1: \x00\x1b[31m\ufffd\n"
        "      HINT: has a stanza-create been performed?\n"
        "ERROR: [075]: no backup set found to restore\n",
        status=75,
    )
    with pytest.raises(PgBackRestError) as caught:
        run("restore")
    message = str(caught.value)
    assert message.startswith("pgbackrest restore: no backup set found to restore [075]; because:")
    assert "[FormatError] unable to load info file '/repo/backup.info'" in message
    assert message.isprintable()


def test_however_long_what_it_says_the_error_is_not(fake_pgbackrest: Any) -> None:
    fake_pgbackrest.answers("check", "", "ERROR: [099]: " + "x" * 100_000, status=99)
    with pytest.raises(PgBackRestError) as caught:
        run("check")
    assert len(str(caught.value)) < LONGEST_LINE + 100


@pytest.mark.parametrize("status", [1, 0])
def test_what_is_no_utf8_does_not_end_it(fake_pgbackrest: Any, status: int) -> None:
    fake_pgbackrest.answers("check", "\xff\xfe\n", status=status)
    if status == 0:
        run("check")
        return
    with pytest.raises(PgBackRestError, match="ended with status 1"):
        run("check")


def test_one_that_dies_is_told_from_one_that_fails(fake_pgbackrest: Any) -> None:
    program = fake_pgbackrest.folder / "pgbackrest"
    program.write_text("#!/bin/sh\necho begun\nkill -9 $$\n")
    with pytest.raises(PgBackRestError, match="was ended by signal 9: begun"):
        run("backup")


def test_without_pgbackrest_it_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path_factory.mktemp("empty")))
    with pytest.raises(PgBackRestError, match="cannot be run: No such file"):
        run("info")


@pytest.mark.parametrize("stubborn", [False, True])
def test_one_that_hangs_is_stopped(
    fake_pgbackrest: Any, monkeypatch: pytest.MonkeyPatch, stubborn: bool
) -> None:
    monkeypatch.setattr(pgbackrest, "STOP_SECONDS", 0.3)
    fake_pgbackrest.answers("backup", BACKUP, seconds=60, stubborn=stubborn)
    begun = time.monotonic()
    with pytest.raises(PgBackRestError, match="took longer than 1 s and was stopped"):
        run("backup", seconds=1.0)
    assert time.monotonic() - begun < 20


def test_asked_to_stop_it_takes_pgbackrest_with_it(
    fake_pgbackrest: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_pgbackrest.answers("backup", BACKUP, seconds=60)

    def end(number: int, frame: Any) -> None:
        raise Terminated

    def ask() -> None:
        while not (fake_pgbackrest.folder / "said").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, end)
    thread = threading.Thread(target=ask)
    thread.start()
    begun = time.monotonic()
    try:
        with pytest.raises(Terminated):
            run("backup")
    finally:
        signal.signal(signal.SIGTERM, before)
        thread.join()
    assert time.monotonic() - begun < 20


# info.


def test_info_is_the_stanzas_own(
    fake_pgbackrest: Any, some_backup: Callable[..., dict[str, Any]]
) -> None:
    fake_pgbackrest.has(some_backup())
    assert [each["label"] for each in repository()["backup"]] == ["20261122-010000F"]
    (call,) = fake_pgbackrest.calls()
    assert "--output=json" in call
    assert "--log-level-console=off" in call


@pytest.mark.parametrize("code", [1, 2, 3])
def test_an_empty_repository_is_no_error(fake_pgbackrest: Any, code: int) -> None:
    fake_pgbackrest.has(code=code, message="missing stanza path")
    assert repository()["backup"] == []


def test_a_stanza_that_is_not_there_is_no_error(fake_pgbackrest: Any) -> None:
    fake_pgbackrest.answers("info", "[]")
    assert repository() == {"name": "main", "archive": [], "backup": [], "db": []}


def test_a_repository_that_cannot_be_read_is_one_although_info_calls_it_success(
    fake_pgbackrest: Any,
) -> None:
    fake_pgbackrest.has(code=99, message="[CryptoError] unable to flush\nHINT: wrong key?")
    with pytest.raises(PgBackRestError, match=r"cannot be read: \[CryptoError\] unable to flush"):
        repository()


def test_what_it_could_not_decrypt_may_stand_in_what_it_says(fake_pgbackrest: Any) -> None:
    fake_pgbackrest.has(code=99, message="[FormatError] at line 1: GARBAGE")
    (answer,) = fake_pgbackrest.folder.glob("info.*.json")
    answer.write_text(answer.read_text().replace("GARBAGE", "\\u0001\\u00ff\\u007f\\u001b[31m"))
    with pytest.raises(PgBackRestError, match="cannot be read") as caught:
        repository()
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("printed", ["", "no json", json.dumps({"a": 1})])
def test_what_is_no_list_is_an_error(fake_pgbackrest: Any, printed: str) -> None:
    fake_pgbackrest.answers("info", printed)
    with pytest.raises(PgBackRestError, match="info said what is no"):
        repository()
