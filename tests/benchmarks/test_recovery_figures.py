"""What the measurements of backups and recoveries count, and how they are written down."""

import datetime
import json
import subprocess
import threading
import time

import psycopg
import pytest

from benchmarks import backup, commits, recovery, stack, table
from benchmarks.commits import Commit

BEGIN = datetime.datetime(2026, 11, 23, 1, 0, tzinfo=datetime.UTC)


def at(seconds):
    return BEGIN + datetime.timedelta(seconds=seconds)


def commit(number, seconds, told=True):
    return Commit(number, at(seconds).timestamp() + 0.01, at(seconds) if told else None)


class FakeRouter:
    """Commits rows and tells when; `fails` says of a statement whether it is cut off."""

    def __init__(self):
        self.rows = {}
        self.fails = lambda statement, number: False
        self.lock = threading.Lock()

    def connect(self):
        return FakeConnection(self)


class FakeConnection:
    def __init__(self, router):
        self.router = router

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def execute(self, statement, parameters=()):
        rows = self.router.rows
        if statement == commits.INSERT:
            number = parameters[0]
            with self.router.lock:
                assert number not in rows, "a number was used twice"
                rows[number] = datetime.datetime.now(datetime.UTC)
            if self.router.fails("insert", number):
                raise psycopg.OperationalError("server closed the connection unexpectedly")
            return Result([(str(number),)])
        if statement == commits.COMMITTED:
            number = int(parameters[0])
            if self.router.fails("committed", number):
                raise psycopg.OperationalError("server closed the connection unexpectedly")
            return Result([(rows[number],)])
        if statement == commits.READ_TIMES:
            return Result(list(rows.items()))
        assert statement == commits.READ
        return Result([(number,) for number in rows])

    def close(self):
        pass


class Result(list):
    def fetchone(self):
        return self[0]


def write_for(router, seconds=0.15, **options):
    with commits.Clients(router.connect, 3, pace=0.002, **options) as clients:
        time.sleep(seconds)
    return clients


def test_each_acknowledged_commit_has_the_servers_time():
    router = FakeRouter()
    clients = write_for(router)
    acknowledged = clients.acknowledged
    assert len(acknowledged) > 20
    assert {each.id for each in acknowledged} <= commits.rows(router.connect)
    times = commits.commit_times(router.connect)
    assert all(times[each.id] == each.committed for each in acknowledged)
    assert {each.id // commits.IDS_OF_A_CLIENT for each in acknowledged} == {0, 1, 2}


def test_a_commit_whose_time_was_not_told_is_acknowledged_all_the_same(monkeypatch):
    monkeypatch.setattr(commits, "BACKOFF_SECONDS", 0.001)
    router = FakeRouter()
    router.fails = lambda statement, number: statement == "committed" and number % 3 == 0
    acknowledged = write_for(router).acknowledged
    assert {each.committed is None for each in acknowledged if each.id % 3 == 0} == {True}
    assert any(each.committed for each in acknowledged)


def test_a_commit_without_an_answer_is_not_acknowledged(monkeypatch):
    monkeypatch.setattr(commits, "BACKOFF_SECONDS", 0.001)
    router = FakeRouter()
    router.fails = lambda statement, number: statement == "insert" and number % 2 == 0
    clients = write_for(router)
    assert all(each.id % 2 for each in clients.acknowledged)
    assert clients.sent > len(clients.acknowledged)


def test_what_had_been_committed_by_a_moment_includes_that_very_microsecond():
    times = {1: at(1), 2: at(2), 3: at(2.000001)}
    assert commits.committed_by(times, at(2)) == {1, 2}
    assert commits.committed_by(times, at(0.5)) == set()


def test_the_loss_is_counted_in_commits_and_in_seconds():
    acknowledged = [commit(number, number) for number in range(10)]
    found = commits.loss(acknowledged, set(range(7)) | {99})
    assert (found.acked, found.recovered, found.lost, found.holes) == (10, 7, 3, 0)
    assert found.seconds == 3


def test_a_lost_commit_older_than_one_that_is_there_is_a_hole():
    acknowledged = [commit(number, number) for number in range(10)]
    found = commits.loss(acknowledged, {0, 1, 5})
    assert found.holes == 3
    # Two at the same moment may have been written either way round.
    close = [commit(0, 1), commit(1, 1.0001)]
    assert commits.loss(close, {1}).holes == 0


def test_nothing_lost_and_nothing_left_are_told_apart():
    acknowledged = [commit(1, 1), commit(2, 2, told=False)]
    assert commits.loss(acknowledged, {1, 2}).seconds == 0
    found = commits.loss(acknowledged, set())
    assert (found.lost, found.seconds) == (2, None)


def test_the_random_moments_are_the_same_for_the_same_seed_and_within_the_load():
    chosen = recovery.random_times(at(0), at(100), 20, seed=1)
    assert chosen == recovery.random_times(at(0), at(100), 20, seed=1)
    assert chosen != recovery.random_times(at(0), at(100), 20, seed=2)
    assert all(at(0) <= each <= at(100) for each in chosen)
    assert len({each.microsecond for each in chosen}) > 10


@pytest.mark.parametrize("arguments", [["--only", "destroy"], ["--only", "nothing"]])
def test_nothing_is_destroyed_unasked(arguments, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["recovery", *arguments])
    monkeypatch.setattr(recovery, "opened", lambda name: pytest.fail("it was opened"))
    with pytest.raises(SystemExit) as stopped:
        recovery.main()
    assert stopped.value.code == 2
    assert "--yes" in capsys.readouterr().err or arguments[1] == "nothing"


# Backups.


def test_documents_have_their_size_and_half_of_it_does_not_compress():
    import zlib

    lines = list(backup.documents(7, 500))
    assert lines[0].startswith(b"7\t7\t")
    assert all(line.count(b"\t") == 2 and line.endswith(b"\n") for line in lines)
    sizes = {len(line) for line in lines}
    assert all(0.95 * backup.ROW_BYTES < size < 1.05 * backup.ROW_BYTES for size in sizes)
    text = b"".join(lines)
    # Of the noisy half, base64 gives a quarter back.
    assert 0.35 < len(zlib.compress(text)) / len(text) < 0.5


def test_the_password_is_in_no_argument_and_no_environment():
    script = backup.dump_script(["postgres-1", "postgres-2"], "db", 2)
    assert "PGPASSWORD" not in script
    assert "/etc/selfmonitor/postgres.password" in script
    assert "--format=directory --jobs=2" in script
    assert "--format=custom" in backup.dump_script(["postgres-1"], "db", 1)
    assert "host=postgres-1,postgres-2 port=5432,5432" in script


@pytest.mark.parametrize(
    "script", [backup.dump_script(["postgres-1"], "db", 2), backup.restore_script(2, 3)]
)
def test_the_scripts_are_shell(script):
    done = subprocess.run(["sh", "-n"], input=script, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


MEASURED = {
    "full": {"seconds": 10.0},
    "differential": {"seconds": 4.0},
    "restore": {"seconds": 12.0},
    "dump": {
        "its_default": {"dump_seconds": 40.0, "restore_seconds": 60.0},
        "same_processes": {"dump_seconds": 25.0, "restore_seconds": 30.0},
    },
    "ratios": {"full_times_faster_its_default": 4.0, "restore_times_faster_its_default": 5.04},
    "commits": {"ratio": 0.809},
}


def test_goals_are_compared_with_the_dump_as_it_is_run_by_default():
    found = backup.ratios(MEASURED, MEASURED["dump"])
    assert found["full_times_faster_its_default"] == 4.0
    assert found["full_times_faster_same_processes"] == 2.5
    assert found["restore_times_faster_its_default"] == 5.0
    assert backup.goals_met(found, 0.79) == {
        "full_times_faster": True,
        "restore_times_faster": True,
        "commits_under_backup": False,
    }


# Records.


def test_a_record_keeps_what_was_measured_of_another_size_that_day(tmp_path):
    stack.write("backup", {"1_gib": {"gib": 1}}, tmp_path)
    path = stack.write("backup", {"5_gib": {"gib": 5}}, tmp_path)
    record = json.loads(path.read_text())
    assert (record["1_gib"]["gib"], record["5_gib"]["gib"]) == (1, 5)
    assert record["machine"]["processors"] > 0
    assert [each.name for each in tmp_path.iterdir()] == ["backup.json"]


@pytest.fixture
def records(tmp_path, monkeypatch):
    """Records of two days, as the benchmarks write them."""
    for date, seconds in (("2026-11-22", 99.0), ("2026-11-23", 10.0)):
        found = {**MEASURED, "full": {"seconds": seconds}}
        stack.write("backup", dict.fromkeys(table.BACKUPS, found), tmp_path / date)
    lost = {
        "acked_commits": 12345,
        "lost_commits": 67,
        "lost_seconds": 31.25,
        "copy_lag_seconds": None,
        "writes_after_seconds": 51.4,
    }
    stack.write("recovery", {"destroy": lost}, tmp_path / "2026-11-22")
    stack.write(
        "recovery", {"destroy_copy": {**lost, "copy_lag_seconds": 4.5}}, tmp_path / "2026-11-23"
    )
    for kind in table.VAULT_KINDS:
        summary = {"kind": kind, "runs": 2, "found": 2, "named": 2, "recovered": 2}
        text = json.dumps({"kinds": [{**summary, "seconds_max": 41.6}]})
        (tmp_path / "2026-11-23" / f"drill-vault-{kind}.json").write_text(text)
    monkeypatch.setattr(table, "RESULTS", tmp_path)


@pytest.mark.usefixtures("records")
def test_the_tables_are_made_of_the_newest_record_of_each_part():
    lines = table.backup_table().splitlines()
    assert lines[0] == "| | 1 GiB, ledger (2026-11-23) | 5 GiB, ledger (2026-11-23) |"
    assert "| full backup | 10.0 s | 10.0 s |" in lines
    assert "| pg_restore | 60.0 s | 60.0 s |" in lines
    assert "| restore as fast as pg_restore | 5.0 times | 5.0 times |" in lines
    assert "| commits a second under full backups | 81% | 81% |" in lines
    lines = table.recovery_table().splitlines()
    assert "| the vault | 12,345 | 67 | 31.2 s |  | 51 s | 2026-11-22 |" in lines
    assert "| the second copy | 12,345 | 67 | 31.2 s | 4.5 s | 51 s | 2026-11-23 |" in lines
    assert "| missing-wal | 2 | 2 | 2 | 2 | 42 s | 2026-11-23 |" in table.vault_table()
    with pytest.raises(FileNotFoundError, match="no record of backup 9_gib"):
        table.newest_record("backup", "9_gib")
