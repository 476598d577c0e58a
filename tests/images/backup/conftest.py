"""Settings, a vault in memory, and a pgBackRest that says what it is told to."""

import datetime
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from backup_service import gpg
from backup_service import settings as places
from backup_service.settings import Settings, parse

DOCUMENT: dict[str, Any] = {
    "stack": "test",
    "stanza": "main",
    "vault": {
        "endpoint": "https://vault-1:7070",
        "region": "local",
        "bucket": "selfmonitor-test",
        "ca": "/etc/selfmonitor/ca.crt",
    },
    "copy": None,
    "postgres": {
        "members": ["postgres-1", "postgres-2", "postgres-3"],
        "port": 5432,
        "databases": [{"name": "app", "owner": "app"}],
    },
    "redis": {"members": {"redis-1": "10.0.0.1"}, "port": 6379},
    "schedules": {
        "full": "0 1 * * 0",
        "differential": "0 1 * * 1-6",
        "logical": "0 2 * * *",
        "redis": "30 2 * * *",
        "restore-test": "0 4 * * *",
    },
    "retention_days": 30,
    "canary_seconds": 5,
    "journal_seconds": 30,
    "invariants": [{"name": "positive", "database": "app", "sql": "SELECT true"}],
    "side": {"port": 5432},
}


@pytest.fixture
def document() -> dict[str, Any]:
    """What is in backup.json; a copy of one's own."""
    found: dict[str, Any] = json.loads(json.dumps(DOCUMENT))
    return found


@pytest.fixture
def settings(document: dict[str, Any]) -> Settings:
    return parse(document)


@pytest.fixture
def service_files(
    tmp_path: Path, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """FILES with backup.json, and DATA beside it, in a folder of the test's own."""
    files, data = tmp_path / "files", tmp_path / "data"
    files.mkdir()
    data.mkdir()
    (files / "backup.json").write_text(json.dumps(document))
    monkeypatch.setattr(places, "FILES", files)
    monkeypatch.setattr(places, "DATA", data)
    return files


@pytest.fixture(scope="module")
def quick_keys() -> Iterator[tuple[str, ...]]:
    """gpg makes keys quickly; gives the words by which it makes them slowly, as test_gpg proves."""
    slow = gpg.SYMMETRIC
    with pytest.MonkeyPatch.context() as patched:
        quick = tuple("65536" if word == "65011712" else word for word in slow)
        patched.setattr(gpg, "SYMMETRIC", quick)
        yield slow


@dataclass(frozen=True)
class Object:
    key: str
    size: int
    modified: datetime.datetime


class Away(Exception):
    """The vault does not answer."""


class MemoryVault:
    """What a vault does, without one. away: it does not answer. deleted: keys, in order."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.deleted: list[str] = []
        self.away = False

    def _asked(self) -> None:
        if self.away:
            raise Away("vault-1 does not answer within 20 s: is it running?")

    def put(self, key: str, data: bytes) -> None:
        self._asked()
        self.content[key] = data

    def upload(
        self, key: str, stream: BinaryIO, on_bytes: Callable[[int], None] | None = None
    ) -> int:
        self._asked()
        self.content[key] = stream.read()
        if on_bytes is not None:
            on_bytes(len(self.content[key]))
        return len(self.content[key])

    def get(self, key: str) -> bytes:
        self._asked()
        return self.content[key]

    def open(self, key: str) -> BinaryIO:
        return io.BytesIO(self.get(key))

    def exists(self, key: str) -> bool:
        self._asked()
        return key in self.content

    def list(self, prefix: str, after: str | None = None) -> Iterator[Object]:
        self._asked()
        for key in sorted(self.content):
            if key.startswith(prefix) and (after is None or key > after):
                moment = datetime.datetime(2026, 11, 23, 1, tzinfo=datetime.UTC)
                yield Object(key, len(self.content[key]), moment)

    def folders(self, prefix: str) -> Any:
        self._asked()
        rests = [key[len(prefix) :] for key in self.content if key.startswith(prefix)]
        return sorted({f"{prefix}{rest.split('/')[0]}/" for rest in rests if "/" in rest})

    def delete(self, key: str) -> None:
        self._asked()
        self.content.pop(key, None)
        self.deleted.append(key)


@pytest.fixture
def vault() -> MemoryVault:
    return MemoryVault()


# What pgBackRest stands for in the tests. Each answer is used once, the last one again and again.
FAKE = """#!{python}
import json, os, pathlib, signal, sys, time
folder = pathlib.Path({folder!r})
with (folder / "calls").open("a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
command = sys.argv[1]
answers = sorted(folder.glob(command + ".*.json"))
answer = json.loads(answers[0].read_text())
if len(answers) > 1:
    answers[0].unlink()
sys.stdout.buffer.write(answer["out"].encode("latin-1"))
sys.stdout.flush()
sys.stderr.write(answer["err"])
sys.stderr.flush()
if answer["stubborn"]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
(folder / "said").touch()
time.sleep(answer["seconds"])
sys.exit(answer["status"])
"""


class FakePgBackRest:
    """On the PATH as `pgbackrest`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._count = 0
        program = folder / "pgbackrest"
        program.write_text(FAKE.format(python=sys.executable, folder=str(folder)))
        program.chmod(0o755)

    def answers(
        self,
        command: str,
        out: str = "",
        err: str = "",
        *,
        status: int = 0,
        seconds: float = 0,
        stubborn: bool = False,
    ) -> None:
        """What a command says and how it ends, next time."""
        self._count += 1
        answer = {
            "out": out,
            "err": err,
            "status": status,
            "seconds": seconds,
            "stubborn": stubborn,
        }
        path = self.folder / f"{command}.{self._count:03}.json"
        path.write_text(json.dumps(answer))

    def has(
        self,
        *backups: dict[str, Any],
        archive: list[dict[str, Any]] | None = None,
        code: int = 0,
        message: str = "ok",
    ) -> None:
        """What the repository holds."""
        status = {"code": code, "message": message}
        found = [
            {
                "name": "main",
                "archive": archive or [],
                "backup": list(backups),
                "db": [],
                "repo": [{"key": 1, "status": status}],
                "status": {**status, "lock": {"backup": {"held": False}}},
            }
        ]
        self.answers("info", json.dumps(found))

    def calls(self) -> list[list[str]]:
        """The arguments of every call."""
        try:
            lines = (self.folder / "calls").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines]


@pytest.fixture
def fake_pgbackrest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePgBackRest:
    folder = tmp_path / "pgbackrest"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return FakePgBackRest(folder)


def backup(
    label: str = "20261122-010000F",
    *,
    stop: int = 1795309260,
    database: int = 1,
    error: bool | None = False,
    kind: str = "full",
    wal_stop: str = "000000010000000000000005",
) -> dict[str, Any]:
    """A backup as `info` has it."""
    return {
        "archive": {"start": "000000010000000000000004", "stop": wal_stop},
        "database": {"id": database, "repo-key": 1},
        "error": error,
        "info": {"delta": 1000, "repository": {"delta": 100, "size": 100}, "size": 4000},
        "label": label,
        "prior": None,
        "timestamp": {"start": stop - 60, "stop": stop},
        "type": kind,
    }


@pytest.fixture(scope="session")
def some_backup() -> Callable[..., dict[str, Any]]:
    return backup
