"""The command line: what it prints, and its exit status."""

import datetime
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from backup_service import command, jobs
from backup_service.errors import WrongInput
from backup_service.jobs import JobFailed, Outcome
from backup_service.records import INTERRUPTED, OK, Records
from backup_service.settings import Settings

IMAGE = Path(command.__file__).resolve().parents[1]

Said = Callable[..., tuple[int, list[Any], str]]


@pytest.fixture
def data(service_files: Path) -> Path:
    return service_files.parent / "data"


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Another module of the program, with these functions."""

    def put(name: str, **functions: Any) -> None:
        module = ModuleType(f"backup_service.{name}")
        vars(module).update(functions)
        monkeypatch.setitem(sys.modules, module.__name__, module)

    return put


@pytest.fixture
def said(
    data: Path, vault: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Said:
    """Exit status, each JSON line, and standard error."""
    monkeypatch.setattr(jobs, "open_vault", lambda settings: vault)

    def call(*arguments: str) -> tuple[int, list[Any], str]:
        status = command.main([*arguments, "--json"])
        out, err = capsys.readouterr()
        return status, [json.loads(line) for line in out.splitlines()], err

    return call


def test_a_run_says_how_far_it_is_and_what_came_of_it(
    said: Said, stand_in: Callable[..., None], data: Path
) -> None:
    asked = []

    def run(context: Any) -> Outcome:
        asked.append(context.options)
        context.progress.report("restore", 1, 2)
        return Outcome(bytes=2)

    stand_in("restore_test", run=run)
    status, (progress, record), _ = said("run", "restore-test", "--at", "then", "--wrong-key")
    assert status == 0
    assert progress == {"event": "progress", "what": "restore", "done": 1, "total": 2}
    assert (record["event"], record["kind"], record["result"]) == ("record", "restore-test", "ok")
    assert asked == [{"at": "then", "wrong_key": True}]
    assert Records(data).last("restore-test", OK) is not None


def test_a_run_that_failed_is_told_three_times_over(
    said: Said, stand_in: Callable[..., None]
) -> None:
    def run(context: Any) -> Outcome:
        raise JobFailed("the key is wrong")

    stand_in("redis_snapshot", take=run)
    status, (record, error), err = said("run", "redis")
    assert status == 1
    assert (record["result"], record["error"]) == ("failed", "the key is wrong")
    assert error == {"event": "error", "message": "redis: the key is wrong"}
    assert err == "backup-service: redis: the key is wrong\n"


def test_what_is_running_already_is_not_run(
    said: Said, stand_in: Callable[..., None], data: Path
) -> None:
    stand_in("logical", dump_all=lambda context: Outcome())
    with jobs.locked("logical", data):
        status, (error,), _ = said("run", "logical")
    assert status == 3
    assert error["message"].startswith("logical is running since ")


@pytest.mark.parametrize(
    ("raised", "status", "message"),
    [
        (WrongInput("outside the window"), 2, "outside the window"),
        (JobFailed("no room\nleft"), 1, "no room left"),
        (ValueError("odd"), 1, "ValueError: odd"),
        (KeyboardInterrupt(), 1, "it was asked to stop before it was done"),
    ],
)
def test_every_error_is_one_line_and_a_status(
    said: Said,
    stand_in: Callable[..., None],
    raised: BaseException,
    status: int,
    message: str,
) -> None:
    def fail(*arguments: Any) -> None:
        raise raised

    stand_in("side", drop=fail)
    found, (error,), err = said("side", "drop")
    assert found == status
    assert error == {"event": "error", "message": message}
    assert err.splitlines()[-1] == f"backup-service: {message}"


def test_each_command_calls_its_module(said: Said, stand_in: Callable[..., None]) -> None:
    calls: list[tuple[Any, ...]] = []

    def does(name: str, result: Any = None) -> Callable[..., Any]:
        def function(settings: Settings, *more: Any) -> Any:
            assert settings.stack == "test"
            calls.append((name, *(each for each in more if isinstance(each, (str, int, float)))))
            calls.extend((name, each) for each in more if isinstance(each, datetime.datetime))
            return result

        return function

    stand_in("canary", main=does("canary", 0))
    stand_in("replicate", main=does("replicate", 1))
    stand_in("seed", main=does("seed"))
    stand_in("load_redis", main=does("load_redis", {"keys": 5}))
    stand_in("rewind", main=does("rewind", {"restored": 3}))
    stand_in("harm", main=does("harm", {"key": "a"}), inventory=does("inventory", [{"key": "a"}]))
    stand_in("archiver", switch_wal=does("switch_wal", {"segment": "0"}))
    stand_in(
        "side",
        serve=does("serve", 0),
        restore=does("restore", {"point": "p"}),
        drop=does("drop"),
        state=does("state", {"state": "none"}),
    )
    assert said("canary")[0] == 0
    assert said("replicate")[0] == 1
    assert said("seed")[:2] == (0, [])
    assert said("load-redis")[:2] == (0, [{"keys": 5}])
    assert said("load-redis", "--before", "2026-11-24T00:00:00Z")[0] == 0
    assert said("rewind", "--to", "2026-11-23T01:00:00+01:00")[1] == [{"restored": 3}]
    assert said("harm", "missing-wal")[1] == [{"key": "a"}]
    assert said("inventory")[1] == [{"objects": [{"key": "a"}]}]
    assert said("switch-wal")[1] == [{"segment": "0"}]
    assert said("side", "serve")[0] == 0
    assert said("side", "restore", "--to", "10 minutes ago", "--timeline", "3")[1] == [
        {"point": "p"}
    ]
    assert said("side", "state")[1] == [{"state": "none"}]
    assert ("rewind", datetime.datetime(2026, 11, 23, tzinfo=datetime.UTC)) in calls
    assert ("load_redis", datetime.datetime(2026, 11, 24, tzinfo=datetime.UTC)) in calls
    assert ("harm", "missing-wal") in calls
    assert ("restore", "10 minutes ago", 3) in calls


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["side"],
        ["harm", "all"],
        ["rewind", "--to", "yesterday"],
        ["rewind"],
        ["load-redis", "--before", "yesterday"],
        ["want-full", "--since", "yesterday"],
        ["side", "restore"],
    ],
)
def test_wrong_words_are_status_2(data: Path, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        command.main(arguments)
    assert caught.value.code == 2


def test_a_job_there_is_not_is_status_2(said: Said) -> None:
    status, (error,), _ = said("run", "everything")
    assert status == 2
    assert "there is no job 'everything'" in error["message"]


@pytest.mark.parametrize("content", [None, "{", "[]", '{"stack": "x"}'])
def test_without_settings_it_says_what_is_wrong(
    said: Said, service_files: Path, content: str | None
) -> None:
    path = service_files / "backup.json"
    path.unlink() if content is None else path.write_text(content)
    status, (error,), _ = said("state")
    assert status == 2
    assert str(path) in error["message"]


def test_the_settings_are_those_that_were_written(settings: Settings) -> None:
    assert settings.vault.bucket == "selfmonitor-test"
    assert settings.copy is None
    assert settings.postgres.databases[0].name == "app"
    assert settings.invariants[0].sql == "SELECT true"
    assert settings.side is not None
    assert settings.side.port == 5432


def test_the_repository_is_prepared(said: Said, fake_pgbackrest: Any) -> None:
    fake_pgbackrest.answers("stanza-create")
    assert said("stanza-create")[:2] == (0, [])
    fake_pgbackrest.answers("stanza-create", "", "ERROR: [056]: no primary\n", status=56)
    fake_pgbackrest.folder.joinpath("stanza-create.001.json").unlink(missing_ok=True)
    status, (error,), _ = said("stanza-create")
    assert status == 1
    assert error["message"] == "pgbackrest stanza-create: no primary [056]"


def test_a_full_backup_is_asked_for_and_not_waited_for(said: Said, data: Path) -> None:
    asked = [{"full": "2026-11-23T01:00:00.000Z"}]
    assert said("want-full", "--since", "2026-11-23T01:00:00Z")[:2] == (0, asked)
    assert json.loads((data / "wanted.json").read_text()) == asked[0]


def test_records_are_one_a_line_and_sent_on_request(said: Said, data: Path, vault: Any) -> None:
    Records(data).begin("full").finish(OK)
    status, (record,), _ = said("records", "--kind", "full")
    assert (status, record["event"], record["kind"]) == (0, "record", "full")
    vault.away = True
    assert said("records", "--send")[0] == 1
    vault.away = False
    assert said("records", "--send")[0] == 0
    assert len(vault.content) == 1


def test_state_is_what_every_process_wrote(said: Said, data: Path) -> None:
    (data / "archiver.json").write_text('{"state": "ok"}')
    assert said("state")[1] == [{"archiver": {"state": "ok"}}]


def test_list_and_info_are_one_document(said: Said, fake_pgbackrest: Any) -> None:
    fake_pgbackrest.has(code=2, message="no valid backups")
    assert said("list")[1] == [{"list": []}]
    status, (found,), _ = said("info")
    assert status == 0
    assert found["window"] is None
    assert "there is no backup yet" in found["message"]


def test_people_read_lines(said: Said, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Records(data).begin("full").finish(OK, bytes=5)
    assert command.main(["records"]) == 0
    assert " full: ok: 5 bytes, " in capsys.readouterr().out
    event = {"event": "progress", "what": "backup", "done": 1, "total": None}
    assert command.readable(event) == "backup: 1 bytes"


# As a process.

RUNNER = """
import sys, time
sys.path.insert(0, {image!r})
from pathlib import Path
from backup_service import command, jobs, settings
settings.FILES, settings.DATA = Path({files!r}), Path({data!r})
class Vault:
    def put(self, key, data): pass
    def folders(self, prefix): return []
    def list(self, prefix, after=None): return iter(())
jobs.open_vault = lambda settings: Vault()
def job(context):
    for number in range({steps}):
        context.progress.report(f"step {{number}}", number, None)
        time.sleep(0.02)
    return jobs.Outcome()
jobs.find = lambda kind: job
sys.exit(command.main(["run", "redis", "--json"]))
"""


def started(service_files: Path, data: Path, steps: int) -> "subprocess.Popen[bytes]":
    text = RUNNER.format(image=str(IMAGE), files=str(service_files), data=str(data), steps=steps)
    return subprocess.Popen(
        [sys.executable, "-c", text], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_asked_to_stop_a_run_leaves_its_record(service_files: Path, data: Path) -> None:
    with started(service_files, data, 10_000) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert b"asked to stop" in err
    last = Records(data).last("redis")
    assert last is not None
    assert last.result == INTERRUPTED


def test_a_reader_that_goes_away_does_not_stop_a_run(service_files: Path, data: Path) -> None:
    with started(service_files, data, 20) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        process.stdout = None
        assert process.wait(20) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert Records(data).last("redis", OK) is not None


def test_the_scheduler_needs_none_of_what_is_large() -> None:
    text = (
        f"import sys; sys.path.insert(0, {str(IMAGE)!r}); "
        "import backup_service.command, backup_service.scheduler; "
        "print([each for each in ('boto3', 'botocore', 'psycopg', 'redis') if each in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, check=True, text=True)
    assert done.stdout == "[]\n"


# Readiness.


@pytest.fixture
def ready(tmp_path: Path) -> Callable[[str], bool]:
    script = tmp_path / "ready"
    text = (IMAGE / "ready").read_text()
    assert "data=/var/lib/backup\n" in text
    script.write_text(text.replace("data=/var/lib/backup\n", f"data={tmp_path}\n"))
    return lambda role: subprocess.run(["/bin/sh", str(script), role], check=False).returncode == 0


def test_backup_is_ready_with_a_repository_and_a_canary(
    ready: Callable[[str], bool], tmp_path: Path
) -> None:
    state, archiver = tmp_path / "state.json", tmp_path / "archiver.json"
    assert not ready("backup")
    state.write_text(json.dumps({"time": "t", "stanza": {"created": None, "error": None}}))
    archiver.write_text(json.dumps({"time": "t", "primary": "postgres-1"}))
    assert not ready("backup")
    state.write_text(json.dumps({"time": "t", "stanza": {"created": "t", "error": None}}))
    assert ready("backup")
    archiver.write_text(json.dumps({"time": "t", "primary": None}))
    assert not ready("backup")
    archiver.unlink()
    assert not ready("backup")


@pytest.mark.parametrize(
    ("role", "name"), [("replication", "copy"), ("restore-test", "state"), ("side", "side")]
)
def test_the_others_are_ready_when_they_said_something_lately(
    ready: Callable[[str], bool], tmp_path: Path, role: str, name: str
) -> None:
    assert not ready(role)
    path = tmp_path / f"{name}.json"
    path.write_text('{"stanza": null}')
    assert ready(role)
    before = time.time() - 120
    os.utime(path, (before, before))
    assert not ready(role)
