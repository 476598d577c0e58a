"""A server's life around a recovery, with programs of the tests' own in PostgreSQL's place."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from backup_service import controldata, leftover, server_files, throwaway
from backup_service.progress import Progress
from backup_service.recover import NotReached, RecoverFailed
from backup_service.server_files import Listen
from backup_service.throwaway import Reached, Throwaway

CONTROL = """\
pg_control version number:            1700
Database cluster state:               in production
max_connections setting:              150
max_worker_processes setting:         8
max_wal_senders setting:              10
max_prepared_xacts setting:           0
max_locks_per_xact setting:           64
track_commit_timestamp setting:       on
Bytes per WAL segment:                4194304
"""
SIZE = 16 * 1024 * 1024
OPEN = "2026-11-23 01:50:41 UTC [1] LOG:  database system is ready to accept connections"
# Logs what the n-th start's file has, then ends as it says, or runs until it is asked to stop.
SERVER = """#!{python}
import json, os, signal, sys, time
folder = {folder!r}
data = sys.argv[sys.argv.index("-D") + 1]
os.chdir(data)
with open(folder + "/starts", "a") as file:
    file.write(json.dumps({{"argv": sys.argv[1:], "env": dict(os.environ)}}) + "\\n")
with open(folder + "/starts") as file:
    number = len(file.readlines())
script = json.load(open(folder + "/script"))
this = script[min(number, len(script)) - 1]
print("\\n".join(this["log"]), flush=True)
if this.get("status") is not None:
    sys.exit(this["status"])
signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
if this.get("stubborn"):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGQUIT, signal.SIG_IGN)
while True:
    time.sleep(0.1)
"""


class Programs:
    """bin_dir, and what the server does at each start."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)
        self._folder = folder
        self.put("pg_controldata", f"#!/bin/sh\ncat <<'END'\n{CONTROL}END\n")
        self.put("postgres", SERVER.format(python=sys.executable, folder=str(folder)))

    def put(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def script(self, *starts: dict[str, Any]) -> None:
        (self._folder / "script").write_text(json.dumps(starts))

    def starts(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self._folder / "starts").read_text().splitlines()]


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path / "programs")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "own" / "data"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def server(programs: Programs, data: Path) -> Iterator[Throwaway]:
    found = Throwaway(data, bin_dir=programs.bin, environment={"EXTRA": "1"})
    yield found
    found.kill()


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any] | None]:
    """What the server answers when asked where it is; the last again and again."""
    found: list[dict[str, Any] | None] = [None]

    def ask(self: Throwaway) -> dict[str, Any] | None:
        return found.pop(0) if len(found) > 1 else found[0]

    monkeypatch.setattr(Throwaway, "_ask", ask)
    monkeypatch.setattr(throwaway, "LOOK_SECONDS", 0.01)
    return found


def answer(**changed: Any) -> dict[str, Any]:
    time = datetime(2026, 11, 23, 1, tzinfo=UTC)
    recovering = {"recovering": True, "paused": False, "lsn": "0/C000028", "time": time}
    return {**recovering, "timeline": None, **changed}


def log(*lines: str) -> list[str]:
    return [f"2026-11-23 01:50:41 UTC [1] {line}" for line in lines]


SEGMENT = 'LOG:  restored log file "00000001000000000000000C" from archive'


def test_it_waits_until_the_recovery_is_paused(
    server: Throwaway, programs: Programs, answers: list[Any]
) -> None:
    programs.script({"log": [*log(SEGMENT), OPEN]})
    answers[:] = [None, answer(), answer(paused=True)]
    told: list[Any] = []
    reached = server.start("pause", Progress(told.append))
    assert reached == Reached(
        "0/C000028", datetime(2026, 11, 23, 1, tzinfo=UTC), 1, "00000001000000000000000C", 1
    )
    assert server.running
    assert any(each["what"] == "replaying WAL" for each in told)
    server.stop()
    assert not server.running


def test_a_pause_is_not_the_end_of_a_promotion(
    server: Throwaway, programs: Programs, answers: list[Any]
) -> None:
    programs.script({"log": [OPEN]})
    answers[:] = [answer(paused=True), answer(recovering=False, timeline="00000004")]
    assert server.start("promote").timeline == 4
    (start,) = programs.starts()
    assert "recovery_target_action=promote" in start["argv"]


def test_a_target_that_is_not_there_is_told_apart(
    server: Throwaway, programs: Programs, answers: list[Any]
) -> None:
    end = "FATAL:  recovery ended before configured recovery target was reached"
    programs.script({"log": log(SEGMENT, end), "status": 1})
    with pytest.raises(NotReached, match="00000001000000000000000D is missing"):
        server.start()
    assert not server.running


def test_a_server_that_fails_says_why(
    server: Throwaway, programs: Programs, answers: list[Any]
) -> None:
    programs.script({"log": log('FATAL:  could not open file "base/1"'), "status": 1})
    with pytest.raises(RecoverFailed, match="could not open file") as caught:
        server.start()
    assert not isinstance(caught.value, NotReached)
    assert "could not open file" in server.log_tail[-1]


def test_it_is_started_again_with_what_the_source_had(
    server: Throwaway, programs: Programs, answers: list[Any], data: Path
) -> None:
    less = (
        "DETAIL:  max_connections = 150 is a lower setting than on the primary server, "
        "where its value was 300."
    )
    programs.script({"log": [OPEN, *log(less)]}, {"log": [OPEN]})
    # For want of a setting it pauses, too.
    answers[:] = [answer(paused=True)]
    server.start()
    assert len(programs.starts()) == 2
    assert "max_connections = 300\n" in (data.parent / "server.conf").read_text()


def test_a_recovery_that_stands_still_fails(
    server: Throwaway, programs: Programs, answers: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throwaway, "NO_PROGRESS_SECONDS", 0.2)
    programs.script({"log": log(SEGMENT)})
    with pytest.raises(RecoverFailed, match=r"stood still .* 00000001000000000000000C"):
        server.start()
    assert not server.running


def test_one_that_does_not_stop_is_killed(
    server: Throwaway, programs: Programs, answers: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throwaway, "STOP_SECONDS", 0.1)
    monkeypatch.setattr(throwaway, "QUIT_SECONDS", 0.1)
    programs.script({"log": [OPEN], "stubborn": True})
    answers[:] = [answer(recovering=False)]
    with server:
        server.start()
    assert not server.running


def test_its_own_settings_and_nothing_of_the_sources(
    server: Throwaway, programs: Programs, answers: list[Any], data: Path
) -> None:
    (data / "postgresql.auto.conf").write_text(
        "# made by hand\nprimary_conninfo = 'host=postgres-1'\narchive_command = 'x'\n"
        "restore_command = 'pgbackrest archive-get'\nrecovery_target_time = '2026'\n"
    )
    (data / "standby.signal").touch()
    programs.script({"log": [OPEN]})
    answers[:] = [answer(recovering=False)]
    server.start()
    assert (data / "postgresql.auto.conf").read_text() == (
        "restore_command = 'pgbackrest archive-get'\nrecovery_target_time = '2026'\n"
    )
    assert not (data / "standby.signal").exists()
    text = (data.parent / "server.conf").read_text()
    assert "archive_mode = off" in text
    assert "listen_addresses = ''" in text
    assert "fsync = off" in text
    assert "max_connections = 150" in text
    assert "shared_preload_libraries = ''" in text
    (start,) = programs.starts()
    assert start["env"]["EXTRA"] == "1"
    assert start["env"]["PGBACKREST_SPOOL_PATH"] == str(data.parent / "spool")


def test_a_server_that_is_reached_asks_for_tls_and_a_password(tmp_path: Path) -> None:
    data, library = tmp_path / "data", tmp_path / "lib"
    data.mkdir()
    library.mkdir()
    (library / "pgaudit.so").touch()
    path = server_files.write(
        data,
        tmp_path,
        tmp_path / "socket",
        least={},
        library_dir=library,
        listen=Listen(5499, Path("/etc/selfmonitor")),
        durable=True,
    )
    text = path.read_text()
    assert "port = 5499" in text
    assert "ssl_key_file = '/etc/selfmonitor/tls.key'" in text
    assert "fsync" not in text
    assert "shared_preload_libraries = 'pgaudit'" in text
    access = (tmp_path / "hba.conf").read_text().splitlines()
    assert access == [
        "local all all trust",
        "host all postgres,replicator,rewind,pgbouncer all reject",
        "hostssl all all all scram-sha-256",
        "host all all all reject",
    ]


def test_what_is_no_data_directory_is_told(
    server: Throwaway, programs: Programs, answers: list[Any]
) -> None:
    programs.put("pg_controldata", "#!/bin/sh\necho 'no such file' >&2\nexit 1\n")
    with pytest.raises(RecoverFailed, match="holds no data directory: no such file"):
        server.start()


def test_settings_are_never_less_than_a_server_needs() -> None:
    least = controldata.least_settings({"max_connections setting": "3"})
    assert least["max_connections"] == "20"
    assert least["track_commit_timestamp"] == "off"


# Checksums.


def test_pages_that_do_not_match_are_named(
    server: Throwaway, programs: Programs, data: Path
) -> None:
    programs.put(
        "pg_checksums",
        "#!/bin/sh\n"
        f'echo \'pg_checksums: error: checksum verification failed in file "{data}/base/5/1259", '
        "block 7: calculated checksum 1 but block contains 2' >&2\n"
        "echo 'Checksum operation completed'\necho 'Blocks scanned:  4000'\nexit 1\n",
    )
    found = server.checksums()
    assert (found.blocks, found.damaged) == (4000, ("base/5/1259 block 7",))


def test_checksums_that_cannot_be_checked_are_a_failure(
    server: Throwaway, programs: Programs
) -> None:
    programs.put("pg_checksums", "#!/bin/sh\necho 'checksums are not enabled' >&2\nexit 1\n")
    with pytest.raises(RecoverFailed, match="not enabled"):
        server.checksums()


# What a killed run leaves.


@pytest.fixture
def process() -> Iterator[Callable[[Path], "subprocess.Popen[bytes]"]]:
    started: list[subprocess.Popen[bytes]] = []

    def start(folder: Path) -> "subprocess.Popen[bytes]":
        # Which signals it ignores would be this process's choice.
        command = ["env", "--default-signal=QUIT", "sleep", "60"]
        started.append(subprocess.Popen(command, cwd=folder, start_new_session=True))
        (folder / "postmaster.pid").write_text(f"{started[-1].pid}\n/x\n")
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.wait()


def test_a_server_left_running_is_ended(data: Path, process: Callable[[Path], Any]) -> None:
    left = process(data)
    leftover.end_server(data)
    assert left.wait(5) == -signal.SIGQUIT
    assert not (data / "postmaster.pid").exists()


def test_another_process_with_its_number_is_left_alone(
    data: Path, tmp_path: Path, process: Callable[[Path], Any]
) -> None:
    other = process(tmp_path)
    os.replace(tmp_path / "postmaster.pid", data / "postmaster.pid")
    leftover.end_server(data)
    time.sleep(0.1)
    assert other.poll() is None
    assert not (data / "postmaster.pid").exists()


def test_a_folder_goes_with_the_server_in_it(
    data: Path, tmp_path: Path, process: Callable[[Path], Any]
) -> None:
    left = process(data)
    leftover.remove(tmp_path / "own")
    assert not (tmp_path / "own").exists()
    assert left.wait(5) == -signal.SIGQUIT
    leftover.remove(tmp_path / "own")


def test_what_of_the_wal_was_replayed() -> None:
    reached = Reached("0/C000028", None, 2, None, 3)
    assert reached.before("00000001000000000000000B", SIZE)
    assert not reached.before("00000002000000000000000C", SIZE)
    assert not Reached(None, None, None, None, 0).before("00000001000000000000000B", SIZE)
