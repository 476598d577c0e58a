"""The side instance: restored, served, replaced, dropped."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from backup_service import (
    jobs,
    pgbackrest,
    recover,
    side,
    side_server,
    side_state,
    timelines,
    window,
)
from backup_service.errors import WrongInput
from backup_service.progress import Progress
from backup_service.recover import NotReached, RecoverFailed, Restored, Target
from backup_service.server_files import Listen
from backup_service.settings import Settings
from backup_service.side import SideFailed
from backup_service.throwaway import Reached
from backup_service.window import Window

BEGIN = datetime(2026, 11, 21, 1, tzinfo=UTC)
STOP = datetime(2026, 11, 22, 1, tzinfo=UTC)
END = datetime(2026, 11, 23, 1, tzinfo=UTC)
WINDOW = Window(BEGIN, END, "new", STOP, "00000002000000000000000C")


class Server:
    """Instead of Throwaway, for the restore and for the service. starts: what each start does."""

    starts: ClassVar[list[Exception]] = []
    all: ClassVar[list["Server"]] = []

    def __init__(self, directory: Path, **named: Any) -> None:
        self.directory = directory
        self.named = named
        self.running = False
        self.reloaded = 0
        self.log_tail = ["its last words"]
        Server.all.append(self)

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, action: str, progress: Any = None) -> Reached:
        assert action == "promote"
        if Server.starts:
            failure = Server.starts.pop(0)
            if failure:
                raise failure
        self.running = True
        return Reached("0/C000028", STOP, 3, None, 3)

    def stop(self) -> None:
        self.running = False

    def reload(self) -> None:
        self.reloaded += 1


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> list[Server]:
    Server.starts, Server.all = [], []
    monkeypatch.setattr(side, "Throwaway", Server)
    monkeypatch.setattr(side_server, "Throwaway", Server)
    return Server.all


class Service:
    """The serving process, in a thread of the test."""

    def __init__(self, data: Path) -> None:
        self.service = side_server._Service(data, Path("/bin"), Listen(5499, Path("/files")))
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._end.wait(0.01):
            self.service.step()

    def end(self) -> None:
        self._end.set()
        self._thread.join(5)
        self.service.stop()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    side_state.place(tmp_path).mkdir()
    return tmp_path


@pytest.fixture
def serving(data: Path, servers: Any) -> Iterator[Service]:
    found = Service(data)
    yield found
    found.end()


@pytest.fixture
def labels(monkeypatch: pytest.MonkeyPatch, some_backup: Any) -> list[str]:
    """Of the backups that were restored, in order."""
    found: list[str] = []
    backups = [
        {**some_backup(label, stop=int(stop.timestamp())), "lsn": {"stop": lsn}}
        for label, stop, lsn in [("old", BEGIN, "0/3000000"), ("new", STOP, "0/5000000")]
    ]

    def restore_files(target: Any, directory: Path, progress: Any, **named: Any) -> Restored:
        directory.mkdir(parents=True)
        (directory / "PG_VERSION").write_text("17")
        found.append(named["set_label"])
        return Restored(named["set_label"], 4321)

    monkeypatch.setattr(window, "find", lambda *_: WINDOW)
    monkeypatch.setattr(pgbackrest, "repository", lambda stanza: {"backup": backups})
    monkeypatch.setattr(timelines, "usable", lambda *_: backups)
    monkeypatch.setattr(recover, "restore_files", restore_files)
    monkeypatch.setattr(side, "_databases", lambda server: ["app"])
    monkeypatch.setattr(side, "LOOK_SECONDS", 0.01)
    return found


@pytest.fixture
def restore(settings: Settings, data: Path, labels: Any, vault: Any) -> Callable[..., Any]:
    def found(text: str, timeline: int | None = None) -> Any:
        return side.restore(settings, text, timeline, Progress(), data=data, vault=vault)

    return found


def folders(data: Path) -> list[str]:
    return sorted(each.name for each in side_state.place(data).glob("*/") if each.is_dir())


def test_it_is_restored_and_served(
    restore: Any, settings: Settings, data: Path, serving: Any, servers: list[Server], labels: Any
) -> None:
    found = restore("2026-11-22T01:00:01Z")
    assert found.pop("seconds") >= 0
    assert found == {
        "target": "2026-11-22T01:00:01.000000Z",
        "point": "2026-11-22T01:00:00.000Z",
        "timeline": 3,
        "lsn": "0/C000028",
        "databases": ["app"],
        "backup": "new",
        "bytes": 4321,
        "port": 5432,
    }
    (folder,) = folders(data)
    state = side.state(settings, data=data)
    assert (state["state"], state["bytes"], state["target"]) == ("running", 2, found["target"])
    recovering, serving_one = servers
    assert "listen" not in recovering.named
    assert not recovering.running
    assert serving_one.named["listen"] == Listen(5499, Path("/files"))
    assert serving_one.directory == side_state.place(data) / folder / "data"
    assert labels == ["new"]


def test_the_old_one_goes_once_the_new_one_is_served(
    restore: Any, data: Path, serving: Any, servers: list[Server]
) -> None:
    restore("latest")
    (first,) = folders(data)
    restore("latest")
    (second,) = folders(data)
    assert first != second
    assert [each.running for each in servers] == [False, False, False, True]


def test_one_that_fails_leaves_the_old_one_running(
    restore: Any, settings: Settings, data: Path, serving: Any, servers: list[Server]
) -> None:
    restore("latest")
    before = folders(data)
    Server.starts = [RecoverFailed("WAL segment X is damaged")]
    with pytest.raises(RecoverFailed, match="X is damaged"):
        restore("latest")
    assert folders(data) == before
    assert side.state(settings, data=data)["state"] == "running"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2026-11-23T01:00:01Z", "after the recoverable window.*switch-wal"),
        ("2026-11-21T01:00:00.5Z", "before the recoverable window"),
        ("2026-11-20", "before the recoverable window"),
        ("0/2000000", "no backup leads to"),
    ],
)
def test_what_is_outside_the_window_is_refused_with_it(
    restore: Any, data: Path, text: str, said: str
) -> None:
    with pytest.raises(WrongInput, match=said) as caught:
        restore(text)
    assert "2026-11-21T01:00:00.000Z to 2026-11-23T01:00:00.000Z" in str(caught.value)
    assert folders(data) == []


def test_a_restore_point_is_looked_for_from_the_newest_backup_back(
    restore: Any, serving: Any, labels: list[str], servers: list[Server]
) -> None:
    Server.starts = [NotReached("WAL segment X is missing")]
    assert restore("before_release")["backup"] == "old"
    assert labels == ["new", "old"]
    Server.starts = [NotReached("x"), NotReached("x")]
    with pytest.raises(WrongInput, match="no restore point nobody_made is in the archive"):
        restore("nobody_made")


def test_an_lsn_that_is_not_archived_yet(restore: Any, servers: list[Server]) -> None:
    Server.starts = [NotReached("x")]
    with pytest.raises(WrongInput, match=r"F/0 is not in the archive yet: `switch-wal`"):
        restore("F/0")


def test_too_little_room(restore: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side, "SPACE_FACTOR", 1e15)
    with pytest.raises(SideFailed, match="drop the one that is there"):
        restore("latest")


def test_one_at_a_time(restore: Any, settings: Settings, data: Path) -> None:
    with jobs.locked(side_state.LOCK, data):
        with pytest.raises(jobs.AlreadyRunning):
            restore("latest")
        with pytest.raises(jobs.AlreadyRunning):
            side.drop(settings, data=data)


def test_nobody_serves_it(
    restore: Any, servers: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(side, "SERVED_SECONDS", 0.05)
    with pytest.raises(SideFailed, match="not taken up"):
        restore("latest")


def test_dropped(
    restore: Any, settings: Settings, data: Path, serving: Any, servers: list[Server]
) -> None:
    assert side.drop(settings, data=data) == {"dropped": False}
    restore("latest")
    assert side.drop(settings, data=data) == {"dropped": True}
    assert folders(data) == []
    assert not servers[-1].running
    assert side.state(settings, data=data) == {"state": "none", "message": None}


def test_before_anything_there_is_none(settings: Settings, tmp_path: Path) -> None:
    assert side.state(settings, data=tmp_path)["state"] == "none"
    assert side.drop(settings, data=tmp_path) == {"dropped": False}


def test_what_a_killed_restore_left_goes(restore: Any, data: Path, serving: Any) -> None:
    left = side_state.place(data) / "20261101T000000Z-abc" / "data"
    left.mkdir(parents=True)
    restore("latest")
    assert not left.exists()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_server_that_ends_is_started_again(
    restore: Any, data: Path, serving: Any, servers: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(side_server, "AGAIN_SECONDS", (0.0,))
    restore("latest")
    Server.starts = [RecoverFailed("no room")]
    servers[-1].running = False
    until(lambda: servers[-1].running and len(servers) == 4)
    until(lambda: side_state.told(data)["state"] == "running")


def test_one_that_does_not_start_is_told(
    data: Path, settings: Settings, servers: list[Server]
) -> None:
    side_state.want(data, {"state": "running", "folder": "x", "target": "latest"})
    Server.starts = [RecoverFailed("no room")]
    service = Service(data)
    until(lambda: side_state.told(data)["state"] == "failed")
    service.end()
    assert side.state(settings, data=data)["message"] == "no room"
    assert len(servers) == 1


def test_a_renewed_certificate_reaches_the_server(
    restore: Any, serving: Service, servers: list[Server]
) -> None:
    restore("latest")
    serving.service.reload = True
    until(lambda: servers[-1].reloaded == 1)


def test_a_target_at_the_very_ends() -> None:
    side.check_target(Target.at(BEGIN + timedelta(seconds=1)), WINDOW)
    side.check_target(Target.at(END), WINDOW)
    side.check_target(Target("name", "x"), WINDOW)
