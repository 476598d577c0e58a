"""The canary against a table in memory, and its journal in files and in a vault in memory."""

import contextlib
import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from backup_service import canary, journal
from backup_service.canary import Canary, Complaints, Doubt, Flusher, Service
from backup_service.journal import Back, Entry, Local, expected_at, flush, numbered
from backup_service.journal import journal as read_journal
from backup_service.postgres import bounded

BEGIN = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def entry(seconds: float, number: int = 1, segment: str = "0" * 24) -> Entry:
    return Entry(at(seconds), number, hashlib.sha256(str(number).encode()).hexdigest(), segment)


class Server:
    """The primary and its table. fails: what the next statement that begins so raises."""

    def __init__(self) -> None:
        self.rows: dict[int, tuple[str, datetime | None]] = {}
        self.clock = 0.0
        self.timeline = 1
        self.fails: dict[str, Exception] = {}
        self.statements: list[str] = []
        # A commit that nobody heard of, and is seen by whoever looks later.
        self.hidden: list[tuple[int, str]] = []

    def segment(self) -> str:
        return f"{self.timeline:08X}{'0' * 14}A1"

    def content(self) -> str:
        return hashlib.sha256(repr(sorted(self.rows.items())).encode()).hexdigest()


class Answer:
    def __init__(self, row: tuple[Any, ...] | None) -> None:
        self.row = row

    def fetchone(self) -> tuple[Any, ...] | None:
        return self.row


class Connection:
    """One connection to it; what is inserted is there after the commit."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.info = type("Info", (), {"host": "postgres-1"})
        self._socket, self._other = socket.socketpair()
        self._pending: tuple[int, str] | None = None
        self.closed = False

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self.closed = True
        self._socket.close()
        self._other.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        self._pending = None
        yield
        if self._pending is not None:
            self._fail("COMMIT")
            self._commit(*self._pending)

    def _commit(self, number: int, content: str) -> None:
        self.server.clock += 1
        self.server.rows[number] = (content, at(self.server.clock))
        for old in [each for each in self.server.rows if each <= number - canary.ROWS]:
            del self.server.rows[old]

    def _fail(self, statement: str) -> None:
        self.server.statements.append(statement)
        for start, error in list(self.server.fails.items()):
            if statement.startswith(start):
                del self.server.fails[start]
                raise error

    def execute(self, statement: str, values: Any = ()) -> Answer:
        server = self.server
        self._fail(" ".join(statement.split()))
        if statement == canary.LAST:
            last = max(server.rows, default=None)
            committed = server.rows[last][1] if last is not None else None
            return Answer((at(server.clock + 0.5), server.segment(), last, committed))
        if statement == canary.INSERT:
            for number, content in server.hidden:
                self._commit(number, content)
            server.hidden.clear()
            self._pending = (max(server.rows, default=0) + 1, values[0])
            return Answer((self._pending[0],))
        if statement == canary.CONTENT_SQL:
            if self._pending is None:
                return Answer((server.content(),))
            ahead = Server()
            ahead.rows, ahead.clock = dict(server.rows), server.clock
            Connection(ahead)._commit(*self._pending)
            return Answer((ahead.content(),))
        if "pg_current_xact_id" in statement:
            return Answer(("700",))
        if statement == canary.COMMITTED:
            return Answer((server.rows[max(server.rows)][1], server.segment()))
        return Answer(None)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def local(tmp_path: Path) -> Local:
    return Local(tmp_path / "canary.jsonl")


@pytest.fixture
def bird(server: Server, local: Local) -> Canary:
    return again(server, local)


def again(server: Server, local: Local) -> Canary:
    """What is made after a connection was lost."""
    connection: Any = Connection(server)
    found = Canary(connection, local)
    found.look()
    return found


def kept(local: Local) -> list[Entry | Back]:
    return [each for _, each in numbered(local._path)]


# What is committed, and what is journalled of it.


def test_each_commit_is_journalled_with_its_own_time_and_content(
    server: Server, local: Local, bird: Canary
) -> None:
    for number in (1, 2, 3):
        found = bird.beat()
        assert found == Entry(at(number), number, server.content(), server.segment())
    assert kept(local) == [each for each in kept(local) if isinstance(each, Entry)]
    assert [each.id for each in kept(local) if isinstance(each, Entry)] == [1, 2, 3]
    assert local.last == found


def test_the_table_stays_small(server: Server, bird: Canary, monkeypatch: Any) -> None:
    monkeypatch.setattr(canary, "ROWS", 5)
    for _ in range(12):
        bird.beat()
    assert sorted(server.rows) == [8, 9, 10, 11, 12]


def test_a_commit_that_nobody_heard_of_is_journalled_by_the_next_look(
    server: Server, local: Local, bird: Canary
) -> None:
    bird.beat()
    server.fails["SELECT pg_xact_commit_timestamp(%s"] = psycopg.OperationalError("cut off")
    with pytest.raises(psycopg.OperationalError):
        bird.beat()
    assert len(server.rows) == 2
    again(server, local).beat()
    assert [each.id for each in kept(local) if isinstance(each, Entry)] == [1, 2, 3]
    assert all(isinstance(each, Entry) for each in kept(local))


def test_a_commit_that_was_not_made_is_not_journalled(
    server: Server, local: Local, bird: Canary
) -> None:
    bird.beat()
    server.fails["COMMIT"] = psycopg.OperationalError("no standby confirms")
    with pytest.raises(psycopg.OperationalError):
        bird.beat()
    again(server, local).beat()
    assert [each.id for each in kept(local) if isinstance(each, Entry)] == [1, 2]


def test_a_commit_that_appears_between_look_and_beat_stops_the_beat(
    server: Server, local: Local, bird: Canary
) -> None:
    bird.beat()
    server.hidden = [(2, "confirmed late")]
    with pytest.raises(Doubt, match="row 2 is there, 1 was the last"):
        bird.beat()
    again(server, local).beat()
    assert [each.id for each in kept(local) if isinstance(each, Entry)] == [1, 2, 3]


def test_nothing_is_committed_while_the_journal_cannot_be_written(
    server: Server, local: Local, bird: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    bird.beat()
    with monkeypatch.context() as broken:
        broken.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            bird.beat()
        with pytest.raises(OSError, match="No space"):
            again(server, local)
    assert len(server.rows) == 2
    again(server, local).beat()
    assert [each.id for each in kept(local) if isinstance(each, Entry)] == [1, 2, 3]


def full(*_: object) -> int:
    raise OSError(28, "No space left on device")


def test_a_restart_goes_on_and_journals_nothing_twice(server: Server, local: Local) -> None:
    again(server, local).beat()
    again(server, Local(local._path)).beat()
    assert [each.id for each in kept(local) if isinstance(each, Entry)] == [1, 2]
    assert [number for number, _ in numbered(local._path)] == [1, 2]


def test_a_restore_to_the_past_undoes_what_was_journalled_since(
    server: Server, local: Local, bird: Canary
) -> None:
    for _ in range(5):
        bird.beat()
    for number in (4, 5):
        del server.rows[number]
    server.timeline += 1
    server.clock = 20
    again(server, local).beat()
    assert Back(at(3), at(20.5)) in kept(local)
    assert [each.id for each in kept(local) if isinstance(each, Entry)][-2:] == [3, 4]


def test_a_restore_to_before_the_canary_undoes_all_of_it(
    server: Server, local: Local, bird: Canary
) -> None:
    bird.beat()
    server.rows.clear()
    server.timeline += 1
    again(server, local)
    assert Back(canary.BEGINNING, at(1.5)) in kept(local)


def test_rows_that_were_deleted_by_hand_undo_nothing(
    server: Server, local: Local, bird: Canary
) -> None:
    """The history of the database went on: a restore to before finds what was journalled."""
    bird.beat()
    server.rows.clear()
    again(server, local).beat()
    assert not [each for each in kept(local) if isinstance(each, Back)]


def test_a_failover_that_lost_nothing_undoes_nothing(
    server: Server, local: Local, bird: Canary
) -> None:
    bird.beat()
    server.timeline += 1
    again(server, local).beat()
    assert not [each for each in kept(local) if isinstance(each, Back)]


def test_a_new_disk_doubts_a_journal_that_may_be_in_the_vault(
    server: Server, bird: Canary, tmp_path: Path
) -> None:
    bird.beat()
    fresh = Local(tmp_path / "fresh.jsonl")
    again(server, fresh)
    assert kept(fresh) == [Back(at(1), at(1.5)), fresh.last]


def test_a_row_without_a_commit_time_is_not_journalled(server: Server, local: Local) -> None:
    server.rows[7] = ("loaded from a dump", None)
    again(server, local).beat()
    assert [each.id for each in kept(local) if isinstance(each, Entry)] == [8]


def test_a_server_without_commit_times_is_said(
    server: Server, local: Local, bird: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(self: Connection, number: int, content: str) -> None:
        self.server.rows[number] = (content, None)

    monkeypatch.setattr(Connection, "_commit", without)
    with pytest.raises(Doubt, match="track_commit_timestamp"):
        bird.beat()


def test_the_content_depends_on_no_setting_of_the_session() -> None:
    """Rows in order, times in UTC and in digits: nothing DateStyle, TimeZone or a locale touch."""
    assert "ORDER BY id" in canary.CONTENT_SQL
    assert "AT TIME ZONE 'UTC'" in canary.CONTENT_SQL
    assert "to_char" in canary.CONTENT_SQL
    assert canary.CONTENT_SQL.count("SELECT") == 1
    assert ";" not in canary.CONTENT_SQL


# Bounded in time.


def test_what_takes_too_long_is_cut_off() -> None:
    ours, other = socket.socketpair()
    connection: Any = type("C", (), {"fileno": ours.fileno, "info": type("I", (), {"host": "x"})})

    def wait() -> None:
        assert ours.recv(1) == b""
        raise psycopg.OperationalError("SSL error: unexpected eof")

    began = time.monotonic()
    with (
        pytest.raises(psycopg.OperationalError, match=r"x did not answer or confirm within 0.2 s"),
        bounded(connection, 0.2),
    ):
        wait()
    assert time.monotonic() - began < 5
    ours.close()
    other.close()


def test_what_ends_in_time_is_left_alone() -> None:
    ours, other = socket.socketpair()
    connection: Any = type("C", (), {"fileno": ours.fileno})
    threads = threading.active_count()
    with bounded(connection, 60):
        pass
    assert threading.active_count() == threads
    other.send(b"x")
    assert ours.recv(1) == b"x"
    ours.close()
    other.close()


# The service: one round after the other.


@pytest.fixture
def service(
    server: Server, settings: Any, service_files: Path, monkeypatch: pytest.MonkeyPatch
) -> Service:
    monkeypatch.setattr(canary, "connect", lambda *_, **__: Connection(server))
    monkeypatch.setattr(canary.archiver, "observe", lambda _: {"state": "ok"})
    monkeypatch.setattr(canary, "AGAIN_SECONDS", 0)
    found = Service(settings, service_files.parent / "data", service_files)
    found._flusher = type("F", (), {"step": lambda self: None, "busy": False})()  # type: ignore[assignment]
    return found


def archiver_state(service: Service) -> str:
    return str(json.loads(service._archiver.read_text())["state"])


def test_a_round_commits_observes_and_says_so(service: Service, server: Server) -> None:
    service.step()
    assert len(server.rows) == 1
    assert archiver_state(service) == "ok"
    service.step()
    assert len(server.rows) == 1


def test_a_primary_that_cannot_be_reached_is_unknown(
    service: Service, server: Server, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise psycopg.OperationalError("connection\nrefused")

    with monkeypatch.context() as away:
        away.setattr(canary, "connect", refuse)
        for _ in range(3):
            service.step()
    assert archiver_state(service) == "unknown"
    assert capfd.readouterr().err == "canary: the primary: connection refused\n"
    service._due["observe"] = 0.0
    service.step()
    assert archiver_state(service) == "ok"
    assert "well again" in capfd.readouterr().err


def test_commits_that_hang_leave_the_archiver_watched(service: Service, server: Server) -> None:
    for _ in range(3):
        server.fails["COMMIT"] = psycopg.OperationalError("postgres-1 did not confirm")
        service._due = dict.fromkeys(service._due, 0.0)
        service.step()
        assert archiver_state(service) == "ok"
    assert server.rows == {}


def test_complaints_are_not_repeated_all_the_time(capfd: Any) -> None:
    now = [0.0]
    complaints = Complaints("the vault", lambda: now[0])
    for now[0] in (0, 1, 299, 301):
        complaints.trouble("away")
    complaints.over()
    complaints.over()
    assert capfd.readouterr().err.splitlines() == [
        "canary: the vault: away",
        "canary: the vault: away",
        "canary: the vault: well again",
    ]


@pytest.fixture
def clock() -> list[float]:
    return [0.0]


def flusher(clock: list[float], tmp_path: Path, monkeypatch: Any, program: str) -> Flusher:
    script = tmp_path / "backup-service"
    script.write_text(program)
    monkeypatch.setattr(sys, "argv", [str(script), "canary"])
    return Flusher(30, lambda: clock[0])


def until_done(flushing: Flusher) -> None:
    deadline = time.monotonic() + 20
    while flushing.busy:
        assert time.monotonic() < deadline
        flushing.step()
        time.sleep(0.01)


def test_the_journal_is_flushed_by_the_programs_own_command(
    clock: list[float], tmp_path: Path, monkeypatch: Any, capfd: Any
) -> None:
    said = tmp_path / "said"
    program = f"import sys; open({str(said)!r}, 'w').write(' '.join(sys.argv[1:]))"
    flushing = flusher(clock, tmp_path, monkeypatch, program)
    flushing.step()
    assert not flushing.busy
    clock[0] = 30
    flushing.step()
    assert flushing.busy
    until_done(flushing)
    assert said.read_text() == "flush-journal"
    assert capfd.readouterr().err == ""


def test_a_flush_that_fails_is_told_and_tried_again(
    clock: list[float], tmp_path: Path, monkeypatch: Any, capfd: Any
) -> None:
    program = "import sys; sys.exit('backup-service: vault-1: it does not answer')"
    flushing = flusher(clock, tmp_path, monkeypatch, program)
    for clock[0] in (30, 60):
        flushing.step()
        assert flushing.busy
        until_done(flushing)
    assert capfd.readouterr().err.count("vault-1: it does not answer") == 1


def test_a_flush_that_hangs_is_killed(clock: list[float], tmp_path: Path, monkeypatch: Any) -> None:
    flushing = flusher(clock, tmp_path, monkeypatch, "import time; time.sleep(60)")
    clock[0] = 30
    flushing.step()
    clock[0] += canary.FLUSH_SECONDS + 1
    until_done(flushing)


def test_sigterm_ends_it(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from types import SimpleNamespace as S;"
        "from backup_service import canary;"
        "p = S(members=('127.0.0.1',), port=9, databases=());"
        f"d = Path({str(tmp_path)!r}); (d / 'postgres.password').write_text('x');"
        "print('on', flush=True);"
        "sys.exit(canary.main(S(journal_seconds=60, canary_seconds=1, postgres=p), d, d))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(canary.__file__).parents[1])}
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"on\n"
        deadline = time.monotonic() + 20
        while not (tmp_path / "archiver.json").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.terminate()
        assert process.wait(20) == 0
    assert json.loads((tmp_path / "archiver.json").read_text())["state"] == "unknown"


def test_the_long_running_process_does_without_the_vaults_library() -> None:
    program = "import sys, backup_service.canary; sys.exit('boto3' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(Path(canary.__file__).parents[1])}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


# The journal on disk.


def test_a_line_that_a_crash_left_half_written_is_dropped(local: Local) -> None:
    local.add(entry(1, 1))
    with local._path.open("a") as file:
        file.write('{"n": 2, "time": "2026-')
    local = Local(local._path)
    assert (local.number, local.last) == (1, entry(1, 1))
    local.add(entry(2, 2))
    assert kept(local) == [entry(1, 1), entry(2, 2)]


def test_a_damaged_line_is_skipped(local: Local) -> None:
    local.add(entry(1, 1))
    with local._path.open("ab") as file:
        file.write(b'\xff\x00{"n": 2}\n[]\n{"n": 3, "time": "now", "id": 1}\n')
    local = Local(local._path)
    local.add(entry(2, 2))
    assert kept(local) == [entry(1, 1), entry(2, 2)]


def test_a_write_that_fails_leaves_no_half_line(local: Local, monkeypatch: Any) -> None:
    local.add(entry(1, 1))
    write = os.write
    with monkeypatch.context() as half:
        half.setattr(os, "write", lambda file, data: write(file, data[:10]))
        with pytest.raises(OSError, match="no space"):
            local.add(entry(2, 2))
    local.add(entry(2, 2))
    assert kept(local) == [entry(1, 1), entry(2, 2)]


def test_the_local_file_is_bounded_and_its_numbers_go_on(local: Local, vault: Any) -> None:
    local.add(entry(0, 1))
    flush(local._path, vault, at(1))
    local.add(entry(10, 2))
    local.add(entry(3 * 86400, 3))
    assert local.trim(at(3 * 86400)) == 1
    assert kept(local) == [entry(3 * 86400, 3)]
    local = Local(local._path)
    assert local.number == 3
    local.add(entry(3 * 86400 + 5, 4))
    assert flush(local._path, vault, at(3 * 86400 + 6)) == 2


def test_the_last_line_stays_however_old_it_is(local: Local) -> None:
    local.add(entry(0, 1))
    local.trim(at(10 * 86400))
    assert Local(local._path).number == 1


# The journal in the vault.


def test_new_lines_reach_the_vault_once_in_the_agreed_form(local: Local, vault: Any) -> None:
    local.add(entry(1, 1))
    local.add(entry(2, 2))
    assert flush(local._path, vault, at(3)) == 2
    assert flush(local._path, vault, at(4)) == 0
    (key,) = vault.content
    assert key == "canary/2026/11/23/010003.jsonl"
    lines = [json.loads(line) for line in vault.content[key].splitlines()]
    assert lines[0] == {
        "time": "2026-11-23T01:00:01.000000Z",
        "id": 1,
        "sha256": entry(1, 1).sha256,
        "segment": "0" * 24,
    }
    assert len(lines) == 2


def test_what_the_vault_did_not_take_is_written_later(local: Local, vault: Any) -> None:
    local.add(entry(1, 1))
    vault.away = True
    with pytest.raises(Exception, match="does not answer"):
        flush(local._path, vault, at(2))
    vault.away = False
    local.add(entry(3, 2))
    assert flush(Path(local._path), vault, at(1800)) == 2
    assert [each.id for each in read_journal(vault, at(0), at(10))] == [1, 2]


def test_killed_between_vault_and_marker_it_writes_twice_and_nobody_minds(
    local: Local, vault: Any
) -> None:
    local.add(entry(1, 1))
    flush(local._path, vault, at(2))
    journal._marker(local._path).unlink()
    flush(local._path, vault, at(2))
    assert len(vault.content) == 2
    assert read_journal(vault, at(0), at(10)) == [entry(1, 1)]


def test_much_that_waited_goes_in_parts_with_names_of_their_own(
    local: Local, vault: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(journal, "LINES_AN_OBJECT", 3)
    for number in range(1, 9):
        local.add(entry(number, number))
    assert flush(local._path, vault, at(10)) == 8
    assert len(vault.content) == 3
    assert [each.id for each in read_journal(vault, at(2), at(7))] == [2, 3, 4, 5, 6, 7]


def filled(local: Local, vault: Any) -> None:
    """A commit every 5 s for 100 s, written every 30 s; then none until 1 day later."""
    for seconds in range(5, 105, 5):
        local.add(entry(seconds, seconds))
        if seconds % 30 == 0:
            flush(local._path, vault, at(seconds + 0.3))
    flush(local._path, vault, at(120))
    local.add(entry(86400, 86400))
    flush(local._path, vault, at(86401))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(4.9, None), (5, 5), (7, 5), (59.9, 55), (60, 60), (61, 60), (100, 100), (4000, 100)],
)
def test_what_was_expected_at_a_time_is_the_last_commit_until_then(
    local: Local, vault: Any, seconds: float, expected: int | None
) -> None:
    filled(local, vault)
    found = expected_at(vault, at(seconds))
    assert (found and found.id) == expected


def test_the_last_commit_is_found_across_a_silent_day(local: Local, vault: Any) -> None:
    filled(local, vault)
    found = expected_at(vault, at(86399))
    assert found is not None
    assert found.id == 100


def test_what_was_undone_is_expected_at_no_time(local: Local, vault: Any) -> None:
    for seconds in (5, 10, 15, 20):
        local.add(entry(seconds, seconds))
    flush(local._path, vault, at(21))
    # A restore in place, to 12: row 10 is the last again.
    local.add(Back(at(10), at(60)))
    local.add(entry(10, 10, "0" * 23 + "9"))
    local.add(entry(65, 65))
    flush(local._path, vault, at(66))
    assert [each.id for each in read_journal(vault, at(0), at(100))] == [5, 10, 65]
    # The first to tell of it knew its segment.
    assert read_journal(vault, at(10), at(10)) == [entry(10, 10)]
    assert "canary/back/20261123T010100Z.jsonl" in vault.content
    for seconds, expected in ((12, 10), (20, 10), (64, 10), (65, 65)):
        found = expected_at(vault, at(seconds))
        assert found is not None
        assert found.id == expected


def test_only_what_is_needed_of_the_journal_is_read(local: Local, vault: Any) -> None:
    filled(local, vault)
    asked: list[str] = []
    get = vault.get
    vault.get = lambda key: asked.append(key) or get(key)
    assert len(read_journal(vault, at(40), at(55))) == 4
    assert asked == ["canary/2026/11/23/010030.jsonl", "canary/2026/11/23/010100.jsonl"]


def test_a_damaged_object_is_named(local: Local, vault: Any) -> None:
    filled(local, vault)
    vault.content["canary/2026/11/23/010030.jsonl"] = b"\x00harmed"
    with pytest.raises(
        ValueError, match=r"canary/2026/11/23/010030.jsonl in the vault is no journal"
    ):
        read_journal(vault, at(0), at(100))


def test_nothing_to_flush_asks_the_vault_nothing(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "backup_service.s3", None)
    assert canary.flush(settings, tmp_path) == 0
