"""Logical dumps and snapshots of Redis, restored by programs of the tests' own."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backup_service import checks, dump_check, fetch, redis_check
from backup_service.checks import Finding
from backup_service.fetch import Part
from backup_service.progress import Progress

FOLDER = "logical/20261122T020000Z/"
DATABASE = {
    "name": "app",
    "key": f"{FOLDER}app.dump.gpg",
    "bytes": 4,
    "sha256": "x",
    "tables": 3,
    "canary_sha256": "ab",
    "snapshot_time": "2026-11-22T02:00:00Z",
}


class Cluster:
    """Instead of Throwaway."""

    def __init__(self, directory: Path, bin_dir: Path) -> None:
        self.socket, self.port = directory / "socket", 5432
        self.statements: list[str] = []

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None: ...

    def initialise(self) -> None: ...

    def start(self, **_: object) -> None: ...

    def connect(self, database: str = "postgres") -> "Cluster":
        return self

    def execute(self, statement: Any) -> "Cluster":
        return self

    def fetchone(self) -> tuple[int]:
        return (3,)


@pytest.fixture
def programs(tmp_path: Path) -> Callable[[str, str], None]:
    (tmp_path / "bin").mkdir()

    def put(name: str, text: str) -> None:
        path = tmp_path / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    put("psql", "cat > /dev/null")
    put("pg_restore", f"cat > {tmp_path}/restored")
    return put


@pytest.fixture
def wrong(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """key → what is wrong with the object; else it holds "data"."""
    found: dict[str, list[str]] = {}

    def decrypt(
        vault: Any, part: Part, secret: Path, sink: Callable[[bytes], object], on_bytes: Any = None
    ) -> list[str]:
        sink(b"da")
        if part.key not in found:
            sink(b"ta")
        return list(found.get(part.key, []))

    monkeypatch.setattr(fetch, "decrypt", decrypt)
    return found


@pytest.fixture
def check(
    tmp_path: Path, vault: Any, programs: Any, wrong: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], list[Finding]]:
    monkeypatch.setattr(dump_check, "Throwaway", Cluster)
    monkeypatch.setattr(checks, "content", lambda server, database: "ab")
    manifest = {"globals": {"bytes": 4, "sha256": "y"}, "databases": [DATABASE]}
    vault.put(f"{FOLDER}manifest.json", json.dumps(manifest).encode())
    return lambda: dump_check.check(vault, tmp_path, tmp_path / "k", Progress(), tmp_path / "bin")


def test_a_dump_that_restores(check: Any, tmp_path: Path) -> None:
    roles, database = check()
    assert roles.result
    assert database.result
    assert "3 tables restored, canary as dumped; of 2026-11-22T02:00:00Z" in database.detail
    assert (tmp_path / "restored").read_text() == "data"


def test_a_truncated_dump_is_named_and_not_restored_half(check: Any, wrong: Any) -> None:
    wrong[DATABASE["key"]] = [f"{DATABASE['key']} is truncated: 2 of 4 bytes"]
    roles, database = check()
    assert roles.result
    assert database == Finding(
        "logical dump of app",
        False,
        "logical/20261122T020000Z/app.dump.gpg is truncated: 2 of 4 bytes",
    )


def test_what_pg_restore_says_is_told(check: Any, programs: Any) -> None:
    programs("pg_restore", "echo 'pg_restore: error: could not read' >&2; exit 1")
    _, database = check()
    assert not database.result
    assert "pg_restore of app: pg_restore: error: could not read" in database.detail


def test_other_content_than_was_dumped(check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "content", lambda server, database: "cd")
    monkeypatch.setattr(Cluster, "fetchone", lambda self: (2,))
    _, database = check()
    assert "2 tables were restored, 3 were dumped" in database.detail
    assert "the canary table is not what was dumped" in database.detail


def test_roles_that_are_there_before_are_no_failure(check: Any, programs: Any) -> None:
    programs("psql", "cat > /dev/null; echo 'ERROR:  role \"postgres\" already exists' >&2")
    assert check()[0].result
    programs("psql", "cat > /dev/null; echo 'ERROR:  syntax error' >&2")
    roles = check()[0]
    assert (roles.result, roles.detail) == (False, "ERROR: syntax error")


def test_no_dump_and_a_damaged_manifest(vault: Any, tmp_path: Path) -> None:
    found = dump_check.check(vault, tmp_path, tmp_path, Progress())
    assert found == [Finding("logical dump", True, "none was made yet")]
    vault.put(f"{FOLDER}manifest.json", b'{"databases": ')
    (finding,) = dump_check.check(vault, tmp_path, tmp_path, Progress())
    assert not finding.result
    assert "manifest is damaged" in finding.detail


# Redis.

CANARY = hashlib.sha256(b"v").hexdigest()


@pytest.fixture
def snapshot(
    tmp_path: Path, vault: Any, wrong: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Finding]:
    key = "redis/20261122T023000Z/snapshot.rdb.gpg"
    manifest = {"key": key, "bytes": 4, "sha256": "x", "keys": 5, "canary_sha256": CANARY}
    vault.put("redis/20261122T023000Z/manifest.json", json.dumps(manifest).encode())

    def found(keys: int = 5, expiring: int = 2, loaded: int = 5, canary: str = CANARY) -> Finding:
        monkeypatch.setattr(redis_check, "_sound", lambda path: (keys, expiring))
        monkeypatch.setattr(redis_check, "_load", lambda folder: (loaded, canary))
        (finding,) = redis_check.check(vault, tmp_path, tmp_path / "k", Progress())
        return finding

    return found


def test_a_snapshot_that_loads(snapshot: Any) -> None:
    assert snapshot().result
    assert snapshot(loaded=3).result


def test_a_snapshot_that_does_not(snapshot: Any, wrong: Any) -> None:
    assert "4 keys, 5 were stored" in snapshot(keys=4, loaded=4).detail
    assert "2 of its 5 keys were loaded" in snapshot(loaded=2).detail
    assert "canary" in snapshot(canary="x").detail
    wrong["redis/20261122T023000Z/snapshot.rdb.gpg"] = ["wrong key for it"]
    assert snapshot() == Finding("redis snapshot", False, "wrong key for it")


def test_a_snapshot_that_is_not_sound(
    tmp_path: Path, vault: Any, wrong: Any, snapshot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "redis-check-rdb").write_text(
        "#!/bin/sh\necho '[offset 100] Unexpected EOF reading RDB file'\nexit 1\n"
    )
    (tmp_path / "redis-check-rdb").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (finding,) = redis_check.check(vault, tmp_path, tmp_path / "k", Progress())
    assert not finding.result
    assert "Unexpected EOF" in finding.detail
