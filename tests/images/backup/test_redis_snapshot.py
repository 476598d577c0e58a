"""Snapshots of members in memory, fetched by a redis-cli that says what it is told to."""

import hashlib
import io
import json
import os
import shutil
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import redis

from backup_service import redis_client, redis_snapshot
from backup_service.gpg import decrypted
from backup_service.jobs import JobContext, JobFailed
from backup_service.progress import Progress
from backup_service.redis_client import CANARY, Member, NoPrimary, primary_of
from backup_service.redis_snapshot import check, fetch, take

PASSWORD = "redis-password-of-this-test"
SECRET = "the-logical-key"

CLI = """#!{python}
import json, os, pathlib, sys, time
folder = pathlib.Path({folder!r})
plan = json.loads((folder / "plan").read_text())
call = {{"arguments": sys.argv[1:], "environment": dict(os.environ),
    "password": sys.stdin.readline(), "tty": sys.stdin.isatty()}}
(folder / "call").write_text(json.dumps(call))
path = pathlib.Path(sys.argv[sys.argv.index("--rdb") + 1])
call["mode"] = oct(path.stat().st_mode & 0o777)
(folder / "call").write_text(json.dumps(call))
path.write_bytes(b"REDIS0011" + b"data" * 1000)
time.sleep(plan["seconds"])
if plan["status"]:
    print("AUTH failed: WRONGPASS", file=sys.stderr)
sys.exit(plan["status"])
"""
CHECK = """#!{python}
import json, pathlib, sys
plan = json.loads((pathlib.Path({folder!r}) / "plan").read_text())
print(plan["check"])
sys.exit("RDB looks OK" not in plan["check"])
"""
GOOD = "[offset 0] Checking RDB file\n[offset 90] \\o/ RDB looks OK! \\o/\n[info] 7 keys read\n"
BAD = "--- RDB ERROR DETECTED ---\n[offset 60] Internal error in RDB reading\n[info] 2 keys"

pytestmark = pytest.mark.usefixtures("quick_keys")


class Group:
    """Members by address: their role, how far they are, and what they hold."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.info: dict[str, dict[str, Any]] = {
            "10.0.0.1": {"role": "master", "master_repl_offset": 100},
            "10.0.0.2": {"role": "slave", "master_link_status": "up", "slave_repl_offset": 90},
            "10.0.0.3": {"role": "slave", "master_link_status": "up", "slave_repl_offset": 95},
        }
        self.keys: dict[str, str] = {}
        self.fails: Exception | None = None
        self.replicates = True
        self.plans()
        for name, text in (("redis-cli", CLI), ("redis-check-rdb", CHECK)):
            path = folder / name
            path.write_text(text.format(python=sys.executable, folder=str(folder)))
            path.chmod(0o755)

    def plans(self, status: int = 0, seconds: float = 0, check: str = GOOD) -> None:
        plan = {"status": status, "seconds": seconds, "check": check}
        (self.folder / "plan").write_text(json.dumps(plan))

    def call(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "call").read_text())
        return found

    def connect(self, settings: Any, address: str, *_: Any) -> "Client":
        if address not in self.info:
            raise OSError(f"no route to {address}")
        return Client(self, address)


class Client:
    def __init__(self, group: Group, address: str) -> None:
        self.group = group
        self.address = address

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def info(self, section: str) -> dict[str, Any]:
        return {"redis_version": "8.0.2"} if section == "server" else self.group.info[self.address]

    def set(self, key: str, value: str) -> None:
        assert self.group.info[self.address]["role"] == "master"
        if self.group.fails:
            raise self.group.fails
        self.group.keys[key] = value
        self.group.info[self.address]["master_repl_offset"] += 50
        if self.group.replicates:
            self.group.info["10.0.0.3"]["slave_repl_offset"] = 150

    def execute_command(self, *words: Any) -> int:
        assert words[0] == "WAIT"
        return 1


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Group:
    folder = tmp_path / "programs"
    folder.mkdir()
    found = Group(folder)
    for module in (redis_client, redis_snapshot):
        monkeypatch.setattr(module, "connect", found.connect)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(redis_snapshot, "CATCH_UP_SECONDS", 0)
    return found


@pytest.fixture
def document(document: dict[str, Any]) -> dict[str, Any]:
    document["redis"]["members"] = {f"redis-{n}": f"10.0.0.{n}" for n in (1, 2, 3)}
    return document


@pytest.fixture
def files(service_files: Path) -> Path:
    (service_files / "redis.password").write_text(PASSWORD + "\n")
    (service_files / "logical.key").write_text(SECRET + "\n")
    return service_files


@pytest.fixture
def data(files: Path) -> Path:
    return files.parent / "data"


@pytest.fixture
def context(settings: Any, vault: Any) -> JobContext:
    records: Any = None
    return JobContext(settings, vault, Progress(), records)


needs_gpg = pytest.mark.skipif(shutil.which("gpg") is None, reason="needs gpg")


@needs_gpg
def test_a_snapshot_is_taken_checked_encrypted_and_listed(
    group: Group, context: JobContext, files: Path, data: Path, vault: Any
) -> None:
    outcome = take(context, files, data)
    folder = outcome.details["folder"]
    assert list(vault.content) == [f"{folder}snapshot.rdb.gpg", f"{folder}manifest.json"]
    found = json.loads(vault.content[f"{folder}manifest.json"])
    stored = vault.content[found["key"]]
    with decrypted(io.BytesIO(stored), files / "logical.key", "it") as stream:
        plain = stream.read()
    assert plain == b"REDIS0011" + b"data" * 1000
    assert (found["bytes"], found["plain_bytes"]) == (len(stored), len(plain))
    assert found["sha256"] == hashlib.sha256(stored).hexdigest()
    assert found["plain_sha256"] == hashlib.sha256(plain).hexdigest()
    assert found["keys"] == 7
    assert found["canary_sha256"] == hashlib.sha256(group.keys[CANARY].encode()).hexdigest()
    assert (found["member"], found["role"]) == ("redis-3", "replica")
    assert found["server_version"] == "8.0.2"
    started = datetime.fromisoformat(found["started"])
    assert folder == f"redis/{started:%Y%m%dT%H%M%SZ}/"
    assert outcome.bytes == len(stored)
    assert all(each["result"] is True for each in outcome.verified)
    assert not list(data.glob("snapshot-*"))


@needs_gpg
def test_a_canary_is_new_each_time(
    group: Group, context: JobContext, files: Path, data: Path
) -> None:
    values = set()
    for _ in range(2):
        take(context, files, data)
        values.add(group.keys[CANARY])
    assert len(values) == 2
    assert all(len(each) == 32 for each in values)


@needs_gpg
def test_the_password_goes_through_a_pipe_alone(
    group: Group, context: JobContext, files: Path, data: Path
) -> None:
    take(context, files, data)
    call = group.call()
    assert call["password"] == PASSWORD + "\n"
    assert PASSWORD not in str(call["arguments"]) + str(call["environment"])
    assert {"--askpass", "--tls", "--cacert", "--cert", "--key"} <= {*call["arguments"]}
    assert call["arguments"][call["arguments"].index("--user") + 1] == "backup"
    assert call["mode"] == "0o600"


@needs_gpg
def test_the_primary_is_asked_when_no_replica_has_the_canary(
    group: Group, context: JobContext, files: Path, data: Path
) -> None:
    group.replicates = False
    assert take(context, files, data).details["member"] == "redis-1"


@needs_gpg
def test_a_replica_that_is_not_in_step_is_not_asked(
    group: Group, context: JobContext, files: Path, data: Path
) -> None:
    group.info["10.0.0.3"]["master_link_status"] = "down"
    group.info["10.0.0.2"]["slave_repl_offset"] = 1000
    assert take(context, files, data).details["member"] == "redis-2"


def test_a_primary_that_takes_no_write_fails_it(
    group: Group, context: JobContext, files: Path, data: Path, vault: Any
) -> None:
    group.fails = redis.ResponseError("NOREPLICAS Not enough good replicas to write.")
    with pytest.raises(JobFailed, match="no snapshot of Redis: NOREPLICAS"):
        take(context, files, data)
    assert vault.content == {}


def test_without_a_primary_it_says_who_does_not_answer(
    group: Group, context: JobContext, files: Path, data: Path
) -> None:
    del group.info["10.0.0.1"]
    with pytest.raises(JobFailed, match=r"no primary: redis-1: no route to 10.0.0.1"):
        take(context, files, data)


def test_two_primaries_are_one_too_many() -> None:
    members = [Member(f"redis-{n}", "", "primary", True, 0, "8") for n in (1, 2)]
    with pytest.raises(NoPrimary, match="redis-1 and redis-2 both say"):
        primary_of(members, [])


def test_redis_cli_that_fails_says_why_and_leaves_nothing(
    group: Group, context: JobContext, files: Path, data: Path, vault: Any
) -> None:
    group.plans(status=1)
    with pytest.raises(JobFailed, match=r"redis-cli failed \(exit status 1\): AUTH failed"):
        take(context, files, data)
    assert vault.content == {}
    assert not list(data.glob("snapshot-*"))


def test_a_damaged_snapshot_is_named_and_never_stored(
    group: Group, context: JobContext, files: Path, data: Path, vault: Any
) -> None:
    group.plans(check=BAD)
    with pytest.raises(JobFailed, match=r"the snapshot is damaged: .*Internal error in RDB"):
        take(context, files, data)
    assert vault.content == {}


def test_a_check_that_says_nothing_is_no_good_one(group: Group, tmp_path: Path) -> None:
    group.plans(check="RDB looks OK")
    with pytest.raises(JobFailed, match="the snapshot is damaged"):
        check(tmp_path / "any")


def test_a_redis_cli_that_goes_silent_is_ended(
    group: Group, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_snapshot, "SILENT_SECONDS", 0.5)
    group.plans(seconds=60)
    sizes: list[int] = []
    path = tmp_path / "snapshot.rdb"
    began = time.monotonic()
    with pytest.raises(JobFailed, match=r"no byte of a snapshot came for 0.5 s"):
        fetch(["redis-cli", "--rdb", str(path)], PASSWORD, path, sizes.append)
    assert time.monotonic() - began < 20
    assert sizes == [4009]


@needs_gpg
def test_what_a_killed_run_left_is_removed(
    group: Group, context: JobContext, files: Path, data: Path
) -> None:
    (data / "snapshot-left").mkdir()
    (data / "snapshot-left" / "snapshot.rdb").write_bytes(b"REDIS")
    take(context, files, data)
    assert not list(data.glob("snapshot-*"))


@needs_gpg
def test_a_vault_that_goes_away_leaves_no_manifest(
    group: Group, context: JobContext, files: Path, data: Path, vault: Any
) -> None:
    vault.away = True
    with pytest.raises(Exception, match="vault-1 does not answer"):
        take(context, files, data)
    assert vault.content == {}
    assert not list(data.glob("snapshot-*"))


@needs_gpg
def test_a_vault_that_lost_it_fails_the_snapshot(
    group: Group, context: JobContext, files: Path, data: Path, vault: Any
) -> None:
    upload = vault.upload

    def lost(key: str, stream: Any, on_bytes: Any = None) -> Any:
        size = upload(key, stream, on_bytes)
        vault.content[key] = b""
        return size

    vault.upload = lost
    with pytest.raises(JobFailed, match="the vault lost what it was given"):
        take(context, files, data)
    assert not [key for key in vault.content if key.endswith("manifest.json")]
