"""When each job runs, what becomes of those that fail, hang or die, and what is said about it."""

import datetime
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backup_service import jobs, scheduler, state, times, wanted
from backup_service.errors import WrongInput
from backup_service.records import FAILED, INTERRUPTED, OK, Record, Records
from backup_service.scheduler import Scheduler, kinds_to_run, when_due
from backup_service.settings import Settings

IMAGE = Path(scheduler.__file__).resolve().parents[1]
PATIENCE = 20.0

DAILY = "0 2 * * *"
WEEKLY = "0 1 * * 0"
# A Monday.
NOON = datetime.datetime(2026, 11, 23, 12, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)
MINUTE = datetime.timedelta(minutes=1)
DAY = datetime.timedelta(days=1)


class Past:
    """Records of what was."""

    def __init__(self, folder: Path) -> None:
        self.records = Records(folder)
        self._count = 0

    def ran(self, kind: str, started: datetime.datetime, result: str | None = OK) -> None:
        self._count += 1
        ended = started + MINUTE if result else None
        self.records.note(Record(f"{self._count:08}", kind, started, ended, result))

    def due(
        self,
        kind: str,
        schedule: str,
        *,
        now: datetime.datetime = NOON,
        first_seen: datetime.datetime = NOON - 30 * DAY,
        full_since: datetime.datetime | None = None,
    ) -> datetime.datetime:
        return when_due(kind, schedule, self.records, first_seen, now, full_since).at


@pytest.fixture
def past(tmp_path: Path) -> Past:
    return Past(tmp_path)


# When.


def test_a_job_that_ran_is_next_due_at_its_next_time(past: Past) -> None:
    past.ran("logical", NOON - 10 * HOUR)
    assert past.due("logical", DAILY) == NOON + 14 * HOUR


def test_one_that_was_missed_is_due_since(past: Past) -> None:
    past.ran("logical", NOON - 5 * DAY)
    assert past.due("logical", DAILY) == NOON - 10 * HOUR


def test_one_that_never_ran_counts_from_when_it_was_first_seen(past: Past) -> None:
    assert past.due("logical", DAILY, first_seen=NOON - HOUR) == NOON + 14 * HOUR
    assert past.due("logical", DAILY, first_seen=NOON - 11 * HOUR) == NOON - 10 * HOUR


def test_the_first_full_backup_is_due_at_once(past: Past) -> None:
    assert past.due("full", WEEKLY, first_seen=NOON) == NOON
    assert past.due("differential", DAILY, first_seen=NOON) > NOON


def test_a_full_backup_does_for_the_differential_one(past: Past) -> None:
    past.ran("differential", NOON - 3 * DAY, FAILED)
    past.ran("full", NOON - 9 * HOUR, FAILED)
    assert past.due("differential", DAILY) == NOON - 10 * HOUR
    past.ran("full", NOON - 8 * HOUR)
    assert past.due("differential", DAILY) == NOON + 14 * HOUR


@pytest.mark.parametrize("result", [FAILED, INTERRUPTED])
def test_one_that_failed_is_repeated_three_times_and_then_left_to_its_schedule(
    past: Past, result: str
) -> None:
    begun = NOON - 9 * HOUR
    for number in range(4):
        past.ran("logical", begun, result)
        ended = begun + MINUTE
        expected = ended + 10 * MINUTE if number < 3 else NOON + 14 * HOUR
        assert past.due("logical", DAILY) == expected
        begun = expected
    tomorrow = NOON + 15 * HOUR
    assert past.due("logical", DAILY, now=tomorrow) == NOON + 14 * HOUR
    past.ran("logical", tomorrow, FAILED)
    assert past.due("logical", DAILY, now=tomorrow + 2 * MINUTE) == tomorrow + 11 * MINUTE


def test_what_succeeded_between_failures_starts_the_count_anew(past: Past) -> None:
    for minutes, result in ((0, FAILED), (20, FAILED), (40, OK), (60, FAILED)):
        past.ran("logical", NOON - 3 * HOUR + minutes * MINUTE, result)
    assert past.due("logical", DAILY) == NOON - 3 * HOUR + 71 * MINUTE


def test_without_any_full_backup_it_is_not_left_for_a_week(past: Past) -> None:
    for number in range(4):
        past.ran("full", NOON - HOUR + 11 * number * MINUTE, FAILED)
    assert past.due("full", WEEKLY) == NOON - HOUR + 34 * MINUTE + 6 * HOUR


def test_one_that_is_wanted_out_of_turn_is_due_until_it_is_there(past: Past) -> None:
    asked = NOON - HOUR
    past.ran("full", NOON - 30 * HOUR)
    assert past.due("full", WEEKLY) == NOON + 5 * DAY + 13 * HOUR
    assert past.due("full", WEEKLY, full_since=asked) == asked
    # Of another kind none is wanted.
    past.ran("logical", NOON - 10 * HOUR)
    assert past.due("logical", DAILY, full_since=asked) == NOON + 14 * HOUR
    past.ran("full", asked)
    assert past.due("full", WEEKLY, full_since=asked) == NOON + 5 * DAY + 13 * HOUR


def test_one_that_is_wanted_and_fails_is_not_left_for_a_week(past: Past) -> None:
    past.ran("full", NOON - 30 * HOUR)
    # Of the time before nothing is counted.
    for number in range(4):
        past.ran("full", NOON - 3 * HOUR + 11 * number * MINUTE, FAILED)
    asked = begun = NOON - HOUR
    assert past.due("full", WEEKLY, full_since=asked) == asked
    for number in range(5):
        past.ran("full", begun, FAILED)
        ended = begun + MINUTE
        expected = ended + (10 * MINUTE if number < 3 else 6 * HOUR)
        assert past.due("full", WEEKLY, full_since=asked) == expected
        begun = expected
    assert past.due("full", WEEKLY) > NOON + DAY


# Which.


def test_restore_tests_run_in_a_container_of_their_own(settings: Settings) -> None:
    kinds = kinds_to_run(settings.schedules, None)
    assert list(kinds) == ["full", "differential", "logical", "redis"]
    assert kinds_to_run(settings.schedules, "restore-test") == {"restore-test": "0 4 * * *"}


@pytest.mark.parametrize(
    ("schedules", "only", "says"),
    [
        ({"full": "every day"}, None, "the schedule of full is no cron line: 'every day'"),
        ({"all": DAILY}, None, "schedules 'all': there is only full"),
        ({"full": DAILY}, "redis", "nothing is scheduled for 'redis': full"),
    ],
)
def test_a_schedule_that_cannot_be_is_named(
    schedules: dict[str, str], only: str | None, says: str
) -> None:
    with pytest.raises(WrongInput, match=says):
        kinds_to_run(schedules, only)


# What runs. The program that the scheduler starts does what `plan.json` says of its arguments.

PROGRAM = """
import json, os, signal, sys, time
sys.path.insert(0, {image!r})
from pathlib import Path
from backup_service import command, jobs, times
from backup_service.errors import Terminated
data = Path({data!r})
plan = json.loads((data / "plan").read_text())
times.now = lambda: times.parse((data / "now").read_text())
with (data / "started").open("a") as file:
    file.write(" ".join(sys.argv[1:]) + "\\n")
do = plan.get(sys.argv[-1], "ok")
if sys.argv[1] != "run":
    sys.exit(0 if do == "ok" else 1)
if do == "no record":
    sys.exit(1)
if do == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
class Vault:
    def put(self, key, content): raise OSError("away")
    def folders(self, prefix): return []
    def list(self, prefix): return iter(())
def job(context):
    context.progress.report("backup", 5, 10)
    if do in ("hang", "stubborn"):
        (data / "hangs").touch()
        time.sleep(60)
    if do == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if do == "fail":
        raise jobs.JobFailed("no")
    return jobs.Outcome()
try:
    if do == "stubborn":
        record = jobs.run(sys.argv[2], {settings}, Vault(), data, job=job)
    else:
        with command._ends_in_order():
            record = jobs.run(sys.argv[2], {settings}, Vault(), data, job=job)
except jobs.AlreadyRunning:
    sys.exit(3)
except Terminated:
    sys.exit(1)
sys.exit(0 if record.result == "ok" else 1)
"""


class Bench:
    """A scheduler with a clock that is set by hand, and real children."""

    def __init__(self, settings: Settings, data: Path) -> None:
        self.settings = settings
        self.data = data
        self.now = NOON
        self.seconds = 1000.0
        self.scheduler: Scheduler
        self.plan()
        (data / "program.py").write_text(
            PROGRAM.format(
                image=str(IMAGE),
                data=str(data),
                settings="type('S', (), {'retention_days': 30})()",
            )
        )

    def plan(self, **what: str) -> None:
        (self.data / "plan").write_text(
            json.dumps({key.replace("_", "-"): value for key, value in what.items()})
        )

    def start(self, only: str | None = None, **schedules: str) -> None:
        found = {key.replace("_", "-"): value for key, value in schedules.items()}
        self.scheduler = Scheduler(
            replace(self.settings, schedules=found),
            self.data,
            only=only,
            program=(sys.executable, str(self.data / "program.py")),
            clock=lambda: self.now,
            monotonic=lambda: self.seconds,
        )

    def later(self, **how: float) -> None:
        passed = datetime.timedelta(**how)
        self.now += passed
        self.seconds += passed.total_seconds()

    def tick(self) -> None:
        """One look; what it starts has the same time."""
        (self.data / "now").write_text(times.iso(self.now))
        self.scheduler.tick()

    def look(self) -> None:
        """One look, then until the child it started has ended and was seen to."""
        self.tick()
        deadline = time.monotonic() + PATIENCE
        while self.scheduler.child is not None:
            assert time.monotonic() < deadline, "the child does not end"
            self.scheduler.child.process.wait(PATIENCE)
            # What is due after it is due with the next look.
            due, self.scheduler._start_next = self.scheduler._start_next, lambda: None  # type: ignore[method-assign]
            self.tick()
            self.scheduler._start_next = due  # type: ignore[method-assign]

    def begin(self, *, hangs: bool = True) -> None:
        """One look that starts a child, until it hangs."""
        self.tick()
        deadline = time.monotonic() + PATIENCE
        while hangs and not (self.data / "hangs").exists():
            assert time.monotonic() < deadline, "it does not hang"
            time.sleep(0.01)

    @property
    def started(self) -> list[str]:
        try:
            return (self.data / "started").read_text().splitlines()
        except FileNotFoundError:
            return []

    @property
    def runs(self) -> list[str]:
        return [each for each in self.started if each.startswith("run ")]

    @property
    def state(self) -> dict[str, Any]:
        found = state.read(self.data / "state.json")
        assert found is not None
        return found

    def results(self, kind: str) -> list[str | None]:
        return [each.result for each in Records(self.data).all(kind)]


@pytest.fixture
def bench(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    found = Bench(settings, tmp_path)
    monkeypatch.setattr(times, "now", lambda: found.now)
    yield found
    child = getattr(found, "scheduler", None) and found.scheduler.child
    if child:
        os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait(PATIENCE)


def test_at_first_the_repository_is_prepared_and_a_full_backup_taken(bench: Bench) -> None:
    bench.start(full=WEEKLY, logical=DAILY)
    bench.look()
    assert bench.started == ["stanza-create"]
    assert bench.state["stanza"]["created"] is not None
    bench.look()
    assert bench.started == ["stanza-create", "run full"]
    assert bench.results("full") == [OK]
    bench.look()
    assert len(bench.started) == 2
    kind = bench.state["kinds"]["full"]
    assert kind["last"]["result"] == OK
    assert kind["last_ok"]["id"] == kind["last"]["id"]
    assert kind["running"] is None
    assert bench.state["kinds"]["logical"]["next"] == "2026-11-24T02:00:00.000Z"


def test_where_the_platform_starts_jobs_only_the_first_full_backup_is_ours(bench: Bench) -> None:
    """And again until there is one: a weekly schedule would leave a new stack without for days."""
    bench.settings = replace(bench.settings, starts_scheduled=False)
    bench.plan(full="fail")
    bench.start(full=WEEKLY, logical=DAILY)
    bench.look()
    bench.look()
    assert bench.started == ["stanza-create", "run full"]
    bench.plan()
    bench.later(minutes=11)
    bench.look()
    assert bench.results("full") == [FAILED, OK]
    bench.later(days=8)
    bench.look()
    bench.look()
    assert bench.runs == ["run full", "run full"]
    # When a run is due is told all the same, by those who start it and by this one.
    assert bench.state["kinds"]["logical"]["schedule"] == DAILY


def test_without_a_repository_no_backup_is_tried_and_the_rest_goes_on(bench: Bench) -> None:
    bench.plan(stanza_create="fail")
    bench.start(full=WEEKLY, logical=DAILY)
    bench.look()
    assert bench.state["stanza"]["created"] is None
    assert "could not be prepared" in bench.state["stanza"]["error"]
    bench.look()
    assert bench.started == ["stanza-create"]
    pauses = []
    for _ in range(200):
        bench.later(seconds=1)
        before = len(bench.started)
        bench.look()
        if len(bench.started) > before:
            pauses.append(bench.seconds)
    between = [round(after - before) for before, after in itertools.pairwise(pauses)]
    assert between[:4] == [10, 20, 40, 60]
    bench.later(days=1)
    bench.look()
    bench.look()
    assert bench.started[-2:] == ["stanza-create", "run logical"]
    bench.plan()
    bench.later(minutes=2)
    bench.look()
    bench.look()
    assert bench.started[-2:] == ["stanza-create", "run full"]


def test_a_repository_that_was_prepared_stays_so_over_a_restart(bench: Bench) -> None:
    bench.start(full=WEEKLY)
    bench.look()
    bench.plan(stanza_create="fail")
    bench.start(full=WEEKLY)
    bench.look()
    assert bench.started == ["stanza-create", "stanza-create"]
    assert bench.state["stanza"]["created"] is not None
    bench.look()
    assert bench.started[-1] == "run full"


def test_restore_tests_need_no_repository_to_be_prepared(bench: Bench) -> None:
    bench.start("restore-test", restore_test=DAILY, full=WEEKLY)
    bench.look()
    assert bench.started == []
    assert bench.state["stanza"] is None
    bench.later(days=1)
    bench.look()
    assert bench.started == ["run restore-test"]


def test_what_was_missed_runs_one_after_the_other(bench: Bench) -> None:
    bench.start(logical=DAILY, redis=DAILY)
    bench.tick()
    bench.later(days=3)
    bench.start(logical=DAILY, redis=DAILY)
    bench.look()
    assert bench.started == ["run logical"]
    bench.look()
    assert bench.started == ["run logical", "run redis"]
    bench.look()
    assert len(bench.started) == 2


def test_a_full_backup_that_is_asked_for_is_made_once(bench: Bench) -> None:
    bench.start(full=WEEKLY)
    bench.look()
    bench.look()
    bench.later(hours=1)
    bench.look()
    assert bench.runs == ["run full"]
    wanted.want_full(bench.data)
    bench.later(seconds=10)
    bench.look()
    assert bench.runs == ["run full"] * 2
    bench.later(minutes=1)
    bench.look()
    bench.start(full=WEEKLY)
    bench.look()
    assert bench.runs == ["run full"] * 2


def test_one_that_failed_is_not_repeated_at_once(bench: Bench) -> None:
    bench.plan(redis="fail")
    bench.start(redis=DAILY)
    bench.later(days=1)
    runs = []
    for _ in range(60):
        bench.look()
        runs.append(len(bench.runs))
        bench.later(minutes=1)
    assert runs == [1] * 10 + [2] * 10 + [3] * 10 + [4] * 30
    assert bench.results("redis") == [FAILED] * 4
    assert bench.state["kinds"]["redis"]["next"] == "2026-11-25T02:00:00.000Z"


def test_one_that_cannot_even_begin_is_not_tried_all_the_time(bench: Bench) -> None:
    bench.plan(redis="no record")
    bench.start(redis=DAILY)
    bench.later(days=1)
    for _ in range(5):
        bench.look()
        bench.later(minutes=1)
    assert len(bench.started) == 1
    bench.later(minutes=6)
    bench.look()
    assert len(bench.started) == 2


def test_one_that_died_is_known_for_it(bench: Bench) -> None:
    bench.plan(redis="die")
    bench.start(redis=DAILY)
    bench.later(days=1)
    bench.look()
    assert bench.results("redis") == [INTERRUPTED]
    assert bench.state["kinds"]["redis"]["last"]["error"] == jobs.KILLED


def test_a_run_of_long_ago_that_was_killed_with_all_is_known_for_it(bench: Bench) -> None:
    Records(bench.data).begin("redis")
    bench.start(redis=DAILY)
    bench.tick()
    assert bench.results("redis") == [INTERRUPTED]


def test_what_runs_is_shown_with_how_far_it_is(bench: Bench) -> None:
    bench.plan(redis="hang")
    bench.start(redis=DAILY)
    bench.later(days=1)
    bench.begin()
    bench.tick()
    kind = bench.state["kinds"]["redis"]
    assert (kind["running"]["what"], kind["running"]["done"], kind["running"]["total"]) == (
        "backup",
        5,
        10,
    )
    assert kind["running"]["since"].endswith("Z")
    assert kind["next"] is None
    assert len(bench.started) == 1


def test_one_that_runs_by_hand_is_neither_disturbed_nor_doubled(bench: Bench) -> None:
    with jobs.locked("redis", bench.data):
        running = Records(bench.data).begin("redis")
        bench.start(redis=DAILY)
        bench.later(days=1)
        bench.tick()
        assert bench.started == []
        assert bench.state["kinds"]["redis"]["running"]["what"] is None
        running.finish(OK)
    assert bench.results("redis") == [OK]


def test_one_whose_lock_is_held_is_tried_again_after_a_minute(bench: Bench) -> None:
    bench.start(differential=DAILY)
    bench.later(days=1)
    with jobs.locked("full", bench.data):
        for _ in range(5):
            bench.look()
            bench.later(seconds=10)
        assert bench.started == ["run differential"]
        assert bench.results("differential") == []
    bench.later(seconds=20)
    bench.look()
    assert bench.results("differential") == [OK]


@pytest.mark.parametrize("how", ["hang", "stubborn"])
def test_one_that_hangs_for_a_day_is_stopped(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    bench.plan(redis=how)
    bench.start(redis=DAILY)
    bench.later(days=1)
    bench.begin()
    bench.later(hours=23)
    bench.tick()
    assert bench.scheduler.child is not None
    bench.later(hours=2)
    bench.tick()
    if how == "stubborn":
        bench.later(seconds=30)
        bench.tick()
    deadline = time.monotonic() + PATIENCE
    while bench.results("redis") != [INTERRUPTED]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    (record,) = Records(bench.data).all("redis")
    expected = "asked to stop" if how == "hang" else "took too long and was killed"
    assert expected in str(record.error)


@pytest.mark.parametrize("how", ["hang", "stubborn"])
def test_stopped_it_takes_its_child_with_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(scheduler, "STOP_SECONDS", 0.5 if how == "stubborn" else PATIENCE)
    bench.plan(redis=how)
    bench.start(redis=DAILY)
    bench.later(days=1)
    bench.begin()
    assert bench.scheduler.child is not None
    child = bench.scheduler.child.process
    bench.scheduler.stop()
    assert child.poll() is not None
    assert bench.results("redis") == [INTERRUPTED]
    assert bench.state["kinds"]["redis"]["running"] is None


def test_records_the_vault_did_not_take_are_offered_again(bench: Bench) -> None:
    Past(bench.data).ran("redis", NOON)
    bench.start(redis=DAILY)
    bench.look()
    assert bench.state["unsent_records"] == 1
    assert bench.started == []
    bench.later(minutes=11)
    bench.look()
    assert bench.started == ["records --send"]
    bench.look()
    assert len(bench.started) == 1


def test_a_state_that_was_lost_or_torn_is_begun_anew(bench: Bench) -> None:
    (bench.data / "state.json").write_text('{"stanza": 3, "kinds": {"redis": []}}')
    bench.start(redis=DAILY)
    bench.tick()
    assert bench.state["kinds"]["redis"]["first_seen"] == "2026-11-23T12:00:00.000Z"


# As a process.


def test_the_program_ends_when_it_is_asked_to(service_files: Path, fake_pgbackrest: Any) -> None:
    data = service_files.parent / "data"
    text = (
        f"import sys; sys.path.insert(0, {str(IMAGE)!r}); from pathlib import Path; "
        "from backup_service import command, scheduler, settings; "
        f"settings.FILES, settings.DATA = Path({str(service_files)!r}), Path({str(data)!r}); "
        "sys.exit(command.main(['scheduler', '--only', 'restore-test']))"
    )
    with subprocess.Popen([sys.executable, "-c", text], stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + PATIENCE
        while not (data / "state.json").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.terminate()
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert b"scheduler: schedules restore-test" in err


@pytest.fixture(autouse=True)
def _unblocked() -> Iterator[None]:
    """The children's own way to be asked to stop must not depend on this process's."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
