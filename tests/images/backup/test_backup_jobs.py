"""A job runs alone of its kind and leaves a record, whatever becomes of it."""

import datetime
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backup_service import backups, jobs, times
from backup_service.errors import Terminated, WrongInput
from backup_service.jobs import AlreadyRunning, JobContext, JobFailed, Outcome
from backup_service.progress import Progress, kept_for
from backup_service.records import FAILED, INTERRUPTED, OK, Record, Records
from backup_service.settings import Settings

BACKUP = Path(jobs.__file__).resolve().parents[1]
GOOD = {"what": "this", "result": True, "detail": "is well"}
BAD = {"what": "that", "result": False, "detail": "is broken"}


@pytest.fixture
def ran(settings: Settings, vault: Any, tmp_path: Path) -> Callable[..., Record]:
    """Runs a job in a DATA of the test's own."""

    def run(job: jobs.Job, kind: str = "full", **more: Any) -> Record:
        return jobs.run(kind, settings, vault, tmp_path, job=job, **more)

    return run


def test_what_a_job_came_to_is_its_record(ran: Callable[..., Record], tmp_path: Path) -> None:
    events: list[dict[str, Any]] = []
    asked: list[JobContext] = []

    def job(context: JobContext) -> Outcome:
        asked.append(context)
        context.progress.report("reading", 1, 2)
        kept = json.loads(kept_for(tmp_path, "full").read_text())
        assert (kept["what"], kept["done"], kept["total"]) == ("reading", 1, 2)
        return Outcome(bytes=5, verified=[GOOD], details={"label": "x"})

    record = ran(job, emit=events.append, options={"at": "then"})
    assert (record.result, record.bytes, record.details) == (OK, 5, {"label": "x"})
    assert asked[0].options == {"at": "then"}
    assert events == [{"event": "progress", "what": "reading", "done": 1, "total": 2}]
    assert not kept_for(tmp_path, "full").exists()
    assert Records(tmp_path).last("full") is not None


def test_a_check_that_failed_is_never_a_success(ran: Callable[..., Record]) -> None:
    record = ran(lambda context: Outcome(verified=[GOOD, BAD]))
    assert (record.result, record.error) == (FAILED, "that: is broken")
    assert record.verified == [GOOD, BAD]


def test_a_job_that_fails_says_what_it_found(ran: Callable[..., Record]) -> None:
    def job(context: JobContext) -> Outcome:
        raise JobFailed("no room\nleft", verified=[GOOD], details={"point": "p"})

    record = ran(job)
    assert (record.result, record.error) == (FAILED, "no room left")
    assert (record.verified, record.details) == ([GOOD], {"point": "p"})


def test_what_nobody_expected_is_a_record_too(
    ran: Callable[..., Record], capsys: pytest.CaptureFixture[str]
) -> None:
    record = ran(lambda context: 1 / 0)  # type: ignore[arg-type,return-value]
    assert (record.result, record.error) == (FAILED, "ZeroDivisionError: division by zero")
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("kind", [Terminated, KeyboardInterrupt, SystemExit])
def test_asked_to_stop_it_is_interrupted_and_stops(
    ran: Callable[..., Record], tmp_path: Path, kind: type[BaseException]
) -> None:
    def job(context: JobContext) -> Outcome:
        raise kind

    with pytest.raises(kind):
        ran(job)
    last = Records(tmp_path).last("full")
    assert last is not None
    assert last.result == INTERRUPTED


def test_two_of_one_kind_never_overlap(ran: Callable[..., Record], tmp_path: Path) -> None:
    def job(context: JobContext) -> Outcome:
        for kind in ("full", "differential"):
            with pytest.raises(AlreadyRunning, match=r"^full is running since 20.*Z \(process \d+"):
                ran(lambda context: Outcome(), kind)
        assert ran(lambda context: Outcome(), "logical").result == OK
        assert jobs.settle("full", tmp_path, Records(tmp_path)) == []
        return Outcome()

    assert ran(job).result == OK
    assert [each.kind for each in Records(tmp_path).all()] == ["full", "logical"]
    assert ran(lambda context: Outcome(), "differential").result == OK


def test_one_that_takes_the_lock_this_moment_is_running_too(
    ran: Callable[..., Record], tmp_path: Path
) -> None:
    (tmp_path / "locks").mkdir()
    with (tmp_path / "locks" / "redis").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(AlreadyRunning, match="redis is running already"):
            ran(lambda context: Outcome(), "redis")


def test_a_job_that_was_killed_is_interrupted_when_the_next_begins(
    ran: Callable[..., Record], tmp_path: Path, document: dict[str, Any]
) -> None:
    text = f"""
import os, sys
sys.path.insert(0, {str(BACKUP)!r})
from pathlib import Path
from backup_service import jobs, settings
found = settings.parse({document!r})
jobs.run("redis", found, None, Path({str(tmp_path)!r}), job=lambda context: os.kill(os.getpid(), 9))
"""
    done = subprocess.run([sys.executable, "-c", text], check=False)
    assert done.returncode == -9
    assert ran(lambda context: Outcome(), "redis").result == OK
    results = [each.result for each in Records(tmp_path).all("redis")]
    assert results == [INTERRUPTED, OK]


def test_a_death_is_noticed_without_another_run(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.begin("redis")
    (found,) = jobs.settle("redis", tmp_path, records, "it took too long")
    assert (found.result, found.error) == (INTERRUPTED, "it took too long")
    assert jobs.settle("redis", tmp_path, records) == []


def test_a_vault_that_is_away_changes_no_result(
    ran: Callable[..., Record], vault: Any, tmp_path: Path
) -> None:
    vault.away = True
    assert ran(lambda context: Outcome(), "logical").result == OK
    record = Records(tmp_path).last("logical")
    assert record is not None
    assert "vault-1 does not answer" in record.details["rotation_failed"]
    assert Records(tmp_path).unsent() == [record]


def test_what_is_too_old_goes_after_a_success(ran: Callable[..., Record], vault: Any) -> None:
    old = times.stamp(times.now() - datetime.timedelta(days=31))
    new = times.stamp(times.now())
    for name in (old, new):
        vault.put(f"logical/{name}/manifest.json", b"{}")

    def fails(context: JobContext) -> Outcome:
        raise JobFailed("no")

    assert ran(fails, "logical").result == FAILED
    assert vault.deleted == []
    record = ran(lambda context: Outcome(), "logical")
    assert record.details["rotated"]["folders"] == [old]
    assert vault.deleted == [f"logical/{old}/manifest.json"]


def test_a_job_there_is_not(settings: Settings, vault: Any, tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match="there is no job 'fully': full, differential"):
        jobs.run("fully", settings, vault, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_lock_outlives_its_run_in_a_child(ran: Callable[..., Record]) -> None:
    children = []

    def job(context: JobContext) -> Outcome:
        children.append(subprocess.Popen(["sleep", "30"], close_fds=False))
        return Outcome()

    try:
        assert ran(job).result == OK
        assert ran(lambda context: Outcome()).result == OK
    finally:
        for child in children:
            child.kill()
            child.wait()


# Progress.


def test_progress_is_told_at_an_eyes_pace(tmp_path: Path) -> None:
    events: list[dict[str, Any]] = []
    now = [0.0]
    progress = Progress(events.append, tmp_path / "p.json", lambda: now[0])
    for done in range(101):
        now[0] = done / 100
        progress.report("reading", done, 100)
    progress.report("writing", 0)
    assert [(each["what"], each["done"]) for each in events] == [
        ("reading", 0),
        ("reading", 50),
        ("reading", 100),
        ("writing", 0),
    ]


def test_a_full_disk_does_not_end_a_job_for_its_progress(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    Progress(kept=tmp_path / "file" / "p.json").report("reading", 1, 2)


# Backups.


@pytest.fixture
def taken(settings: Settings, vault: Any, tmp_path: Path) -> Callable[[jobs.Job], Record]:
    def take(job: jobs.Job) -> Record:
        return jobs.run("full", settings, vault, tmp_path, job=job)

    return take


LABEL = "2026-11-23 01:37:19.638 P00   INFO: new backup label = 20261122-010000F\n"


def test_a_backup_is_what_pgbackrest_says_it_is(
    fake_pgbackrest: Any,
    some_backup: Callable[..., dict[str, Any]],
    taken: Callable[[jobs.Job], Record],
) -> None:
    fake_pgbackrest.answers("backup", LABEL, "WARN: option x\n")
    fake_pgbackrest.has(some_backup("20261121-010000F"), some_backup())
    record = taken(backups.full)
    assert (record.result, record.bytes, record.error) == (OK, 100, None)
    assert record.details["label"] == "20261122-010000F"
    assert record.details["bytes"] == 4000
    assert record.details["stop"] == "2026-11-22T01:01:00.000Z"
    assert record.details["warnings"] == ["option x"]
    (checked,) = record.verified
    assert (checked["what"], checked["result"]) == ("page checksums", True)
    assert "--type=full" in fake_pgbackrest.calls()[0]


@pytest.mark.parametrize("error", [True, None])
def test_damaged_pages_are_a_failure(
    fake_pgbackrest: Any,
    some_backup: Callable[..., dict[str, Any]],
    taken: Callable[[jobs.Job], Record],
    error: bool | None,
) -> None:
    warning = "WARN: invalid page checksum found in file /data/base/5/1255 at page 3\n"
    fake_pgbackrest.answers("backup", LABEL, warning if error else "")
    fake_pgbackrest.has(some_backup(error=error))
    record = taken(backups.differential)
    assert record.result == FAILED
    assert record.error is not None
    assert ("base/5/1255 at page 3" if error else "did not check") in record.error
    assert "--type=diff" in fake_pgbackrest.calls()[0]


def test_a_backup_that_fails_says_why(
    fake_pgbackrest: Any, taken: Callable[[jobs.Job], Record]
) -> None:
    fake_pgbackrest.answers(
        "backup", "", "ERROR: [056]: unable to find primary cluster - cannot proceed\n", status=56
    )
    record = taken(backups.full)
    assert record.error == (
        "pgbackrest backup: unable to find primary cluster - cannot proceed [056]"
    )


@pytest.mark.parametrize(
    ("printed", "code", "says"),
    [
        ("", 0, "named no backup"),
        (LABEL, 0, "does not list it"),
        (LABEL, 99, "cannot be looked at: pgbackrest info"),
    ],
)
def test_a_backup_nobody_can_find_is_none(
    fake_pgbackrest: Any,
    taken: Callable[[jobs.Job], Record],
    printed: str,
    code: int,
    says: str,
) -> None:
    fake_pgbackrest.answers("backup", printed)
    fake_pgbackrest.has(code=code)
    record = taken(backups.full)
    assert record.result == FAILED
    assert says in str(record.error)


def test_the_lock_says_who_holds_it(tmp_path: Path) -> None:
    with jobs.locked("differential", tmp_path):
        found = json.loads((tmp_path / "locks" / "backup").read_text())
    assert (found["kind"], found["pid"]) == ("differential", os.getpid())
