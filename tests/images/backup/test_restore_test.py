"""The restore test's course: what is verified, what is told, what goes on after a failure."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from backup_service import (
    checks,
    continuity,
    controldata,
    dump_check,
    jobs,
    pgbackrest,
    recover,
    redis_check,
    restore_test,
    timelines,
    wal_content,
    window,
)
from backup_service.checks import Finding
from backup_service.continuity import Archived, Continuity
from backup_service.errors import WrongInput
from backup_service.recover import RecoverFailed, Restored
from backup_service.settings import Settings
from backup_service.throwaway import Checksums, Reached
from backup_service.window import NoWindow, Window

STOP = datetime(2026, 11, 22, 1, 1, tzinfo=UTC)
END = STOP + timedelta(minutes=5)
SIZE = 16 * 1024 * 1024
SEGMENTS = ("00000001000000000000000B", "00000001000000000000000C", "00000001000000000000000D")


@dataclass(frozen=True)
class Entry:
    time: datetime
    id: int = 1
    sha256: str = "ab"


class Server:
    """Instead of Throwaway. stopped: before its pages were read."""

    def __init__(self, world: "World", directory: Path, environment: Any) -> None:
        self.world = world
        self.directory = directory
        self.log_tail = ["the log's end"]
        self.stopped = False
        world.environments.append(environment)

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, action: str, progress: Any) -> Reached:
        self.world.does("recovery")
        return Reached("0/C000028", STOP, 2, "00000001000000000000000D", 3)

    def stop(self) -> None:
        self.stopped = True

    def checksums(self) -> Checksums:
        assert self.stopped
        self.world.does("page checksums")
        return Checksums(4000, tuple(self.world.damaged_pages))


class World:
    """All that the test asks; each step fails with what stands in `failures`."""

    def __init__(self) -> None:
        self.failures: dict[str, Exception] = {}
        self.done: list[str] = []
        self.environments: list[Any] = []
        self.points: list[datetime] = []
        self.secrets: list[Path] = []
        self.later: list[str] = []
        self.damaged_pages: list[str] = []
        self.missing: tuple[str, ...] = ()
        self.window = Window(STOP - timedelta(days=1), END, "20261122-010000F", STOP, SEGMENTS[-1])
        self.entries = [Entry(STOP + timedelta(seconds=10 * number)) for number in range(31)]

    def does(self, what: str) -> None:
        self.done.append(what)
        if what in self.failures:
            raise self.failures[what]

    def expected(self, vault: Any, time: datetime) -> Entry | None:
        return next((each for each in reversed(self.entries) if each.time <= time), None)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, some_backup: Any) -> World:
    found = World()
    backup = {**some_backup(stop=int(STOP.timestamp())), "lsn": {"stop": "0/5000000"}}
    repository = {"backup": [backup], "archive": [{"id": "17-1", "database": {"id": 1}}]}

    def find(settings: Settings, vault: Any) -> Window:
        found.does("window")
        return found.window

    def restore_files(target: Any, directory: Path, progress: Any, **named: Any) -> Restored:
        found.points.append(target.time)
        found.environments.append(named["environment"])
        found.does("files")
        return Restored("20261122-010000F", 4321, ("done",))

    def check(vault: Any, folder: str, start: str, size: int, history: Any) -> Continuity:
        assert size == SIZE
        assert folder == "pgbackrest/archive/main/17-1/"
        found.does("WAL continuity")
        there = tuple(Archived(each, "") for each in SEGMENTS)
        return Continuity(SEGMENTS[0], SEGMENTS[-1], 3, there, found.missing)

    def damaged(segments: Any, *_: Any, **named: Any) -> list[str]:
        assert named["segment_bytes"] == SIZE
        found.later = [each.name for each in segments]
        found.does("WAL after the point")
        return []

    def finding(what: str, secret: Path | None = None) -> list[Finding]:
        if secret:
            found.secrets.append(secret)
        found.does(what)
        return [Finding(what, True, "well")]

    import backup_service.canary as canary

    monkeypatch.setattr(window, "find", find)
    monkeypatch.setattr(pgbackrest, "repository", lambda stanza: repository)
    monkeypatch.setattr(timelines, "usable", lambda found, *_: found["backup"])
    monkeypatch.setattr(recover, "restore_files", restore_files)
    monkeypatch.setattr(continuity, "check", check)
    monkeypatch.setattr(wal_content, "damaged", damaged)
    control = {"Bytes per WAL segment": str(SIZE)}
    monkeypatch.setattr(controldata, "read", lambda *_: control)
    monkeypatch.setattr(canary, "expected_at", found.expected)
    monkeypatch.setattr(canary, "journal", lambda *_: found.entries)
    monkeypatch.setattr(checks, "canary", lambda *_: finding("canary")[0])
    monkeypatch.setattr(checks, "invariants", lambda *_: finding("invariants"))
    monkeypatch.setattr(dump_check, "check", lambda v, f, s, p, b: finding("logical dump", s))
    monkeypatch.setattr(redis_check, "check", lambda v, f, s, p: finding("redis snapshot", s))
    monkeypatch.setattr(
        restore_test,
        "Throwaway",
        lambda directory, bin_dir, environment: Server(found, directory, environment),
    )
    monkeypatch.setattr(restore_test, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(restore_test, "PATIENCE_SECONDS", 0.05)
    return found


@pytest.fixture
def run(settings: Settings, vault: Any, tmp_path: Path, world: World) -> Any:
    def found(**options: Any) -> Any:
        return jobs.run(
            "restore-test",
            settings,
            vault,
            tmp_path,
            options=options,
            job=lambda context: restore_test.run(context, tmp_path, Path("/keys")),
        )

    return found


STEPS = [*restore_test.DATABASE_STEPS, "logical dump", "redis snapshot"]


def test_all_is_verified_and_nothing_is_left(run: Any, world: World, tmp_path: Path) -> None:
    record = run()
    assert (record.result, record.error) == ("ok", None)
    assert [each["what"] for each in record.verified] == STEPS
    assert list(record.details["seconds"]) == STEPS
    assert record.bytes == 4321
    assert record.details["not_run"] == {}
    assert record.details["backup"] == "20261122-010000F"
    assert record.details["reached"]["time"] == "2026-11-22T01:01:00.000Z"
    assert record.details["seconds_to_restore"] >= 0
    assert record.details["server_log"] == ["the log's end"]
    assert not (tmp_path / "restore-test").exists()
    assert world.secrets == [Path("/keys/logical.key")] * 2
    # That of the point itself too: only a part of it was replayed.
    assert world.later == list(SEGMENTS[1:])


def test_the_point_is_between_the_newest_backup_and_the_end(run: Any, world: World) -> None:
    for _ in range(20):
        run()
    assert all(STOP + timedelta(seconds=1) <= each < END for each in world.points)
    assert len({each.microsecond for each in world.points}) > 10


def test_the_point_is_not_in_the_moment_of_a_commit(run: Any, world: World) -> None:
    world.window = Window(STOP, STOP + timedelta(seconds=2), "20261122-010000F", STOP, SEGMENTS[-1])
    commit = STOP + timedelta(seconds=1.05)
    world.entries = [Entry(STOP), Entry(commit)]
    for _ in range(20):
        run()
    assert all(each < commit or each - commit > restore_test.MARGIN for each in world.points)


def test_before_the_first_entry_nothing_could_be_compared(run: Any, world: World) -> None:
    first = END - timedelta(seconds=1)
    world.entries = [Entry(first)]
    run()
    assert world.points[0] >= first


@pytest.mark.parametrize("end", [STOP, STOP + timedelta(seconds=1)])
def test_nothing_after_the_newest_backup_is_a_failure(
    run: Any, world: World, end: datetime
) -> None:
    world.window = Window(STOP, end, "20261122-010000F", STOP, SEGMENTS[-1])
    record = run()
    assert record.result == "failed"
    assert "nothing was archived since the newest backup, 20261122-010000F" in record.error
    assert [each["what"] for each in record.verified] == ["window", *STEPS[-2:]]


def test_a_point_that_was_asked_for(run: Any, world: World) -> None:
    record = run(at="2026-11-22T01:02:03.000004Z")
    assert record.details["point"] == "2026-11-22T01:02:03.000004Z"
    assert world.points == [datetime(2026, 11, 22, 1, 2, 3, 4, tzinfo=UTC)]


@pytest.mark.parametrize("at", ["2026-11-22T01:06:01Z", "2026-11-20", "0/3000060", "nonsense!"])
def test_a_point_that_cannot_be_is_refused(
    settings: Settings, vault: Any, tmp_path: Path, world: World, at: str
) -> None:
    context = jobs.JobContext(settings, vault, Silent(), None, {"at": at})  # type: ignore[arg-type]
    with pytest.raises(WrongInput) as caught:
        restore_test.run(context, tmp_path, Path("/keys"))
    if at.startswith("2026"):
        assert "2026-11-21T01:01:00.000Z to 2026-11-22T01:06:00.000Z" in str(caught.value)
    assert not (tmp_path / "restore-test").exists()


class Silent:
    def report(self, *_: object) -> None:
        """Tells nobody."""


@pytest.mark.parametrize(
    ("step", "missing"),
    [
        ("window", STEPS[1:8]),
        ("files", STEPS[2:8]),
        ("recovery", STEPS[4:8]),
        ("WAL continuity", []),
        ("canary", []),
        ("invariants", []),
        ("page checksums", []),
        ("logical dump", []),
        ("redis snapshot", []),
    ],
)
def test_what_fails_is_named_and_the_rest_is_looked_at(
    run: Any, world: World, step: str, missing: list[str], tmp_path: Path
) -> None:
    world.failures[step] = RecoverFailed(f"the {step} is damaged")
    record = run()
    assert record.result == "failed"
    assert record.error == f"{step}: the {step} is damaged"
    assert list(record.details["not_run"]) == missing
    assert {*world.done} == {*STEPS} - {*missing}
    assert not (tmp_path / "restore-test").exists()


def test_everything_that_is_wrong_is_listed(run: Any, world: World) -> None:
    world.missing = ("0000000100000000000000A3",)
    world.damaged_pages = ["base/5/1259 block 7"]
    world.failures["redis snapshot"] = OSError("no space left")
    record = run()
    assert "WAL segment 0000000100000000000000A3 is missing in the vault" in record.error
    assert "page checksums: damaged: base/5/1259 block 7" in record.error
    assert "OSError: no space left" in record.error


def test_without_a_window_dumps_are_looked_at(run: Any, world: World) -> None:
    world.failures["window"] = NoWindow("there is no backup yet")
    record = run()
    assert record.error == "window: there is no backup yet"
    assert world.done == ["window", "logical dump", "redis snapshot"]


def test_too_little_room_is_told_before_anything_is_fetched(
    run: Any, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restore_test, "SPACE_FACTOR", 1e15)
    record = run()
    assert "bytes free, the backup needs" in record.error
    assert "files" not in world.done


def test_a_wrong_key_is_used_everywhere_and_is_not_the_right_one(run: Any, world: World) -> None:
    run(wrong_key=True)
    wrong = {each["PGBACKREST_REPO1_CIPHER_PASS"] for each in world.environments}
    assert len(wrong) == 1
    assert len(world.environments) == 2
    assert {each.name for each in world.secrets} == {"wrong.key"}


def test_what_a_killed_run_left_goes_first(run: Any, tmp_path: Path) -> None:
    left = tmp_path / "restore-test" / "old" / "postgres"
    left.mkdir(parents=True)
    (left / "big").touch()
    assert run().result == "ok"
    assert not left.exists()
