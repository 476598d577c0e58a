"""A snapshot that a real redis-server made, loaded into another one."""

import contextlib
import io
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from backup_service import load_redis
from backup_service.gpg import encrypted
from backup_service.jobs import JobFailed
from backup_service.load_redis import MARKER, main, newest, throwaway
from backup_service.progress import Progress
from backup_service.redis_client import CANARY, Member

pytestmark = [
    pytest.mark.skipif(
        not (shutil.which("gpg") and shutil.which("redis-server")),
        reason="needs gpg and redis-server",
    ),
    pytest.mark.usefixtures("quick_keys"),
]

FOLDER = "redis/20261123T023000Z/"
LIBRARY = "#!lua name={}\nredis.register_function('{}', function() return {} end)"
# Keys of the snapshot that are loaded, over all databases.
KEYS = 1200 + 6 + 1


@contextlib.contextmanager
def server() -> Iterator[Callable[[int], Any]]:
    """An empty one. Its socket's path must be short."""
    with tempfile.TemporaryDirectory(prefix="redis-", dir="/tmp") as folder:
        way = f"{folder}/s"
        command = [
            "redis-server",
            "--port",
            "0",
            "--unixsocket",
            way,
            "--dir",
            folder,
            "--save",
            "",
        ]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

        def connected(database: int) -> Any:
            return redis.Redis(unix_socket_path=way, db=database, retry=Retry(NoBackoff(), 0))

        try:
            deadline = time.monotonic() + 20
            while True:
                try:
                    connected(0).ping()
                    break
                except redis.ConnectionError:
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
            yield connected
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def snapshot() -> Iterator[bytes]:
    """Every type, two databases, expiry near and far, a function."""
    with server() as connected:
        client = connected(0)
        pipeline = client.pipeline(transaction=False)
        for number in range(1200):
            pipeline.set(f"key:{number}", "v" * (number % 50))
        pipeline.execute()
        client.set("later", "x", ex=1000)
        client.set("gone", "x", px=300)
        client.hset("hash", mapping={"a": "1", "b": "2"})
        client.rpush("list", 1, 2, 3)
        client.zadd("sorted", {"a": 1.5})
        client.xadd("stream", {"a": "1"})
        client.set(b"\x00\xff binary", b"\x00\xff")
        client.set(CANARY, "c" * 32)
        client.set(MARKER, "of an earlier load")
        connected(3).set("elsewhere", "three")
        client.execute_command("FUNCTION", "LOAD", LIBRARY.format("mine", "one", 1))
        client.execute_command("FUNCTION", "LOAD", LIBRARY.format("yours", "two", 2))
        client.save()
        folder = Path(client.config_get("dir")["dir"])
        yield (folder / "dump.rdb").read_bytes()


@pytest.fixture
def files(service_files: Path) -> Path:
    (service_files / "logical.key").write_text("the-logical-key\n")
    return service_files


@pytest.fixture
def stored(snapshot: bytes, files: Path, vault: Any) -> Any:
    """The vault with this snapshot."""
    with encrypted(io.BytesIO(snapshot), files / "logical.key") as stream:
        vault.content[f"{FOLDER}snapshot.rdb.gpg"] = stream.read()
    vault.content[f"{FOLDER}manifest.json"] = json.dumps({"plain_bytes": len(snapshot)}).encode()
    # The dump that was begun later and never finished is none.
    vault.content["redis/20261123T033000Z/snapshot.rdb.gpg"] = b"half"
    time.sleep(0.4)
    return vault


class Primary:
    """Where it is; fails: what the next connections to it raise."""

    def __init__(self, connected: Callable[[int], Any]) -> None:
        self.connected = connected
        self.fails: list[Exception] = []
        self.looked = 0

    def look(self, *_: Any) -> tuple[list[Member], list[str]]:
        self.looked += 1
        return [Member("redis-1", "somewhere", "primary", True, 0, "8")], []

    def connect(self, *arguments: Any) -> Any:
        if self.fails:
            raise self.fails.pop(0)
        return self.connected(arguments[-1])


@pytest.fixture
def primary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Primary]:
    with server() as connected:
        found = Primary(connected)
        monkeypatch.setattr(load_redis, "CONFIRM_MILLISECONDS", 10)
        monkeypatch.setattr(load_redis, "look_at_all", found.look)
        monkeypatch.setattr(load_redis, "connect", found.connect)
        yield found


@pytest.fixture
def run(settings: Any, files: Path, stored: Any) -> Callable[..., list[dict[str, Any]]]:
    """main; the progress it told."""

    def once(**options: Any) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = []
        assert main(settings, Progress(told.append), files=files, vault=stored, **options) == 0
        return told

    return once


def marker(primary: Primary) -> dict[str, str]:
    found: dict[str, str] = json.loads(primary.connected(0).get(MARKER))
    return found


def test_all_that_was_in_the_snapshot_is_there_again(primary: Primary, run: Any) -> None:
    told = run()
    client = primary.connected(0)
    # Without the one that has expired, with the marker of this load.
    assert client.dbsize() == 1200 + 6 + 1
    assert client.get("key:49") == b"v" * 49
    assert 0 < client.ttl("later") <= 1000
    assert client.ttl("key:1") == -1
    assert client.hgetall("hash") == {b"a": b"1", b"b": b"2"}
    assert client.lrange("list", 0, -1) == [b"1", b"2", b"3"]
    assert client.zscore("sorted", "a") == 1.5
    assert len(client.xrange("stream")) == 1
    assert client.get(b"\x00\xff binary") == b"\x00\xff"
    assert not client.exists("gone")
    assert primary.connected(3).get("elsewhere") == b"three"
    assert (client.fcall("one", 0), client.fcall("two", 0)) == (1, 2)
    assert marker(primary) == {"snapshot": FOLDER, "state": "loaded"}
    last = told[-1]
    assert last["what"] == "keys to the primary"
    assert last["done"] <= last["total"]


def test_loaded_a_second_time_nothing_is_done(primary: Primary, run: Any, capfd: Any) -> None:
    run()
    primary.connected(0).delete("key:1")
    run()
    assert not primary.connected(0).exists("key:1")
    assert "was loaded before: nothing to do" in capfd.readouterr().err


def test_what_somebody_wrote_stays_and_the_rest_is_loaded(
    primary: Primary, run: Any, capfd: Any
) -> None:
    client = primary.connected(0)
    client.set("key:1", "newer")
    client.set("hash", "of another type")
    client.set("new", "x")
    primary.connected(3).set("elsewhere", "newer")
    run()
    assert (client.get("key:1"), client.get("hash")) == (b"newer", b"of another type")
    assert (client.get("new"), client.get("key:2")) == (b"x", b"vv")
    assert primary.connected(3).get("elsewhere") == b"newer"
    assert marker(primary)["state"] == "loaded"
    said = f"{FOLDER}: {KEYS - 3} keys loaded, 3 were there already and stayed"
    assert capfd.readouterr().err.splitlines()[-1] == f"load-redis: {said}"


def test_the_services_own_keys_are_none_of_the_snapshots(
    primary: Primary, run: Any, capfd: Any
) -> None:
    primary.connected(0).set(CANARY, "of this server")
    run()
    assert primary.connected(0).get(CANARY) == b"of this server"
    assert f"{KEYS} keys loaded, 0 were there already and stayed\n" in capfd.readouterr().err


def test_a_library_of_functions_that_is_there_stays_and_the_others_are_loaded(
    primary: Primary, run: Any, capfd: Any
) -> None:
    client = primary.connected(0)
    client.execute_command("FUNCTION", "LOAD", LIBRARY.format("mine", "one", 11))
    run()
    assert (client.fcall("one", 0), client.fcall("two", 0)) == (11, 2)
    said = "libraries of functions that were there already and stayed: mine\n"
    assert said in capfd.readouterr().err


def test_an_interrupted_load_goes_on_and_keeps_what_was_written_since(
    primary: Primary, run: Any, stored: Any, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    class Killed(BaseException):
        pass

    calls = []
    restore = load_redis._restore

    def killed(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) > 2:
            raise Killed
        return restore(*arguments, **options)

    monkeypatch.setattr(load_redis, "_restore", killed)
    with pytest.raises(Killed):
        run()
    monkeypatch.setattr(load_redis, "_restore", restore)
    client = primary.connected(0)
    assert marker(primary)["state"] == "loading"
    assert 0 < client.dbsize() < 1200
    client.set("hash-of-an-application", "new")
    written = client.randomkey()
    while not written.startswith(b"key:"):
        written = client.randomkey()
    client.set(written, "newer")
    there = client.dbsize() - 2
    # What was taken in the meantime is a snapshot of half of it.
    stored.content["redis/20261124T023000Z/snapshot.rdb.gpg"] = b"half"
    stored.content["redis/20261124T023000Z/manifest.json"] = b"{}"
    run()
    assert client.get(written) == b"newer"
    assert client.dbsize() == 1200 + 6 + 1 + 1
    assert marker(primary) == {"snapshot": FOLDER, "state": "loaded"}
    said = f"{KEYS - there} keys loaded, {there} were there already and stayed (loaded before"
    assert said in capfd.readouterr().err


def test_one_whose_snapshot_is_gone_goes_on_with_the_newest(
    primary: Primary, run: Any, stored: Any
) -> None:
    gone = {"snapshot": "redis/20261101T023000Z/", "state": "loading"}
    primary.connected(0).set(MARKER, json.dumps(gone))
    run()
    assert marker(primary) == {"snapshot": FOLDER, "state": "loaded"}


def test_what_an_earlier_recovery_loaded_does_not_keep_this_one_from_it(
    primary: Primary, run: Any
) -> None:
    earlier = {"snapshot": "redis/20261101T023000Z/", "state": "loaded"}
    primary.connected(0).set(MARKER, json.dumps(earlier))
    run()
    assert primary.connected(0).exists("key:1")


def test_snapshots_of_the_redis_that_is_to_be_filled_are_passed_over(
    primary: Primary, run: Any, stored: Any
) -> None:
    stored.content["redis/20261124T023000Z/snapshot.rdb.gpg"] = b"of an empty one"
    stored.content["redis/20261124T023000Z/manifest.json"] = b"{}"
    run(before=datetime(2026, 11, 24, 2, 0, tzinfo=UTC))
    assert marker(primary) == {"snapshot": FOLDER, "state": "loaded"}


def test_a_failover_meanwhile_costs_another_pass(
    primary: Primary, run: Any, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    """What the old primary had confirmed may not have reached the new one."""
    monkeypatch.setattr(load_redis.time, "sleep", lambda _: None)
    restore, calls = load_redis._restore, []

    def failing(client: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise redis.ReadOnlyError("READONLY You can't write against a read only replica.")
        if len(calls) == 4:
            # The new one lacks what came last.
            client.delete("key:1", "key:2", "hash")
            raise redis.ConnectionError("reset")
        return restore(client, **options)

    monkeypatch.setattr(load_redis, "_restore", failing)
    run()
    assert primary.connected(0).dbsize() == 1200 + 6 + 1
    said = capfd.readouterr().err
    assert "the primary changed while keys were loaded" in said
    # Its own of the first pass are not counted as somebody's.
    assert f"{KEYS} keys loaded, 0 were there already and stayed\n" in said
    assert primary.looked == 3


def test_a_primary_that_stays_away_ends_it_in_bounded_time(
    primary: Primary, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_redis, "AGAIN_SECONDS", 0.2)
    monkeypatch.setattr(load_redis.time, "sleep", lambda _: None)
    primary.fails = [OSError("no route")] * 1_000_000
    with pytest.raises(JobFailed, match=r"took no writes for 0.2 s: no route"):
        run()


def test_an_error_of_the_primary_is_told(
    primary: Primary, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: Any, **__: Any) -> None:
        raise redis.ResponseError("OOM command not allowed when used memory > 'maxmemory'.")

    monkeypatch.setattr(load_redis, "_restore", no_room)
    with pytest.raises(JobFailed, match=f"^{FOLDER} was not loaded: OOM"):
        run()
    assert marker(primary)["state"] == "loading"


def test_the_wrong_key_and_a_damaged_snapshot_are_named(
    primary: Primary, run: Any, files: Path, stored: Any
) -> None:
    (files / "logical.key").write_text("another")
    with pytest.raises(JobFailed, match=f"wrong key for {FOLDER}snapshot.rdb.gpg"):
        run()
    (files / "logical.key").write_text("the-logical-key")
    key = f"{FOLDER}snapshot.rdb.gpg"
    stored.content[key] = stored.content[key][:-100]
    with pytest.raises(JobFailed, match="truncated or damaged"):
        run()
    assert primary.connected(0).keys("key:*") == []


def test_what_redis_cannot_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.rdb").write_bytes(b"REDIS0011 and then nonsense" * 10)
    unreadable = throwaway(tmp_path, "x.rdb")
    with pytest.raises(JobFailed, match="cannot be read by redis-server"):
        unreadable.__enter__()


def test_nothing_is_left_behind(
    primary: Primary, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    made: list[str] = []
    real = tempfile.mkdtemp
    monkeypatch.setattr(tempfile, "mkdtemp", lambda *a, **k: made.append(real(*a, **k)) or made[-1])
    run()
    assert made
    assert [*scratch.iterdir()] == []


def test_a_vault_without_a_snapshot_has_nothing_to_load(
    settings: Any, files: Path, vault: Any, capfd: Any
) -> None:
    vault.content["redis/20261123T033000Z/snapshot.rdb.gpg"] = b"half"
    assert main(settings, Progress(), files=files, vault=vault) == 0
    assert "no snapshot of Redis is in the vault: nothing to load" in capfd.readouterr().err


def test_the_newest_whole_snapshot_until_then_is_taken(vault: Any) -> None:
    for name in ("20261121T023000Z", "20261122T023000Z", "20261123T023000Z", "not-ours"):
        vault.content[f"redis/{name}/manifest.json"] = b"{}"
    vault.content["redis/20261124T023000Z/snapshot.rdb.gpg"] = b"no manifest"

    def chosen(before: datetime | None = None) -> str | None:
        found = newest(vault, before)
        return found and found[0]

    assert chosen() == "redis/20261123T023000Z/"
    assert chosen(datetime(2026, 11, 23, 2, 30, tzinfo=UTC)) == "redis/20261123T023000Z/"
    assert chosen(datetime(2026, 11, 23, 2, 29, tzinfo=UTC)) == "redis/20261122T023000Z/"
    assert chosen(datetime(2026, 11, 1, tzinfo=UTC)) is None


def test_a_damaged_manifest_is_named(vault: Any) -> None:
    vault.content[f"{FOLDER}manifest.json"] = b"{"
    with pytest.raises(JobFailed, match=f"{FOLDER}manifest.json in the vault is damaged"):
        newest(vault)
