"""Dumps by a pg_dump that says what it is told to, encrypted by the real gpg."""

import contextlib
import hashlib
import io
import json
import os
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from backup_service import canary, logical
from backup_service.gpg import decrypted
from backup_service.jobs import JobContext, JobFailed
from backup_service.logical import dump_all
from backup_service.progress import Progress

pytestmark = [
    pytest.mark.skipif(shutil.which("gpg") is None, reason="needs gpg"),
    pytest.mark.usefixtures("quick_keys"),
]

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
PASSWORD = "back\\up:pass"
SECRET = "the-logical-key"

# fails: {database: how many times}; cut: it dies in the middle.
PROGRAM = """#!{python}
import json, os, pathlib, re, sys
folder = pathlib.Path({folder!r})
plan = json.loads((folder / "plan").read_text())
conninfo = next(each for each in sys.argv if each.startswith("--dbname="))
name = re.search(" dbname=(?:'([^']+)'|([^ ]+))", conninfo)
name = name[1] or name[2]
passfile = pathlib.Path(re.search("passfile=([^ ]+)", conninfo)[1])
call = {{"program": pathlib.Path(sys.argv[0]).name, "arguments": sys.argv[1:], "database": name,
    "passfile": passfile.read_text(), "mode": oct(passfile.stat().st_mode & 0o777),
    "environment": dict(os.environ)}}
with (folder / "calls").open("a") as file:
    file.write(json.dumps(call) + "\\n")
sys.stdout.write(f"dump of {{name}} by {{call['program']}}")
if plan["fails"].get(name, 0) > 0:
    plan["fails"][name] -= 1
    (folder / "plan").write_text(json.dumps(plan))
    sys.stdout.write("x" * 2_000_000)
    sys.stdout.flush()
    sys.exit("pg_dump: error: connection lost\\npg_dump: detail: gone")
"""


class Cluster:
    """Databases, and who is asked for them. away: sessions that nobody answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.databases = ["app", "postgres", "selfmonitor"]
        self.tables = {"app": 12, "postgres": 0, "selfmonitor": 1}
        self.away: set[str] = set()
        self.connected: list[tuple[str, str]] = []
        self.open = 0
        for program in ("pg_dump", "pg_dumpall"):
            path = folder / program
            path.write_text(PROGRAM.format(python=sys.executable, folder=str(folder)))
            path.chmod(0o755)
        self.fails({})

    def fails(self, times: dict[str, int]) -> None:
        (self.folder / "plan").write_text(json.dumps({"fails": times}))

    def calls(self) -> list[dict[str, Any]]:
        path = self.folder / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def connect(
        self, settings: Any, database: str, session: str, files: Path, **_: int
    ) -> "Connection":
        self.connected.append((database, session))
        if session in self.away:
            raise psycopg.OperationalError(f"no {session}\nanswers")
        return Connection(self, database, "postgres-2" if session != "primary" else "postgres-1")


class Connection:
    def __init__(self, cluster: Cluster, database: str, host: str) -> None:
        self.cluster = cluster
        self.database = database
        status = staticmethod(lambda _: "17.11 (Debian 17.11-0+deb13u1)")
        self.info = type("Info", (), {"host": host, "parameter_status": status})

    def __enter__(self) -> "Connection":
        self.cluster.open += 1
        return self

    def __exit__(self, *_: object) -> None:
        self.cluster.open -= 1

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        yield

    def execute(self, statement: str) -> "Connection":
        self.statement = statement
        return self

    def __iter__(self) -> Iterator[tuple[str, int]]:
        assert self.statement == logical.DATABASES
        return iter([(name, 1000) for name in self.cluster.databases])

    def fetchone(self) -> tuple[Any, ...]:
        if self.statement == logical.SNAPSHOT:
            return "00000003-0000001B-1", NOW, self.database == "selfmonitor"
        if self.statement == canary.CONTENT_SQL:
            return ("c" * 64,)
        assert self.statement == logical.TABLES
        return (self.cluster.tables[self.database],)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    folder = tmp_path / "programs"
    folder.mkdir()
    found = Cluster(folder)
    monkeypatch.setattr(logical, "connect", found.connect)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return found


@pytest.fixture
def files(service_files: Path) -> Path:
    (service_files / "postgres.password").write_text(PASSWORD + "\n")
    (service_files / "logical.key").write_text(SECRET + "\n")
    return service_files


@pytest.fixture
def events() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def context(settings: Any, vault: Any, events: list[dict[str, Any]]) -> JobContext:
    records: Any = None
    return JobContext(settings, vault, Progress(events.append), records)


def manifest(vault: Any) -> dict[str, Any]:
    (key,) = [each for each in vault.content if each.endswith("manifest.json")]
    found: dict[str, Any] = json.loads(vault.content[key])
    return found


def test_every_database_is_dumped_encrypted_and_listed(
    cluster: Cluster, context: JobContext, files: Path, vault: Any
) -> None:
    outcome = dump_all(context, files)
    found = manifest(vault)
    assert [each["name"] for each in found["databases"]] == ["app", "selfmonitor"]
    for each in found["databases"]:
        data = vault.content[each["key"]]
        assert each["bytes"] == len(data)
        assert each["sha256"] == hashlib.sha256(data).hexdigest()
        with decrypted(io.BytesIO(data), files / "logical.key", "it") as stream:
            text = stream.read().decode()
        assert text == f"dump of {each['name']} by pg_dump"
        assert each["plain_bytes"] == len(text)
        assert each["member"] == "postgres-2"
        assert each["server_version"] == "17.11"
        assert each["snapshot_time"] == "2026-11-23T02:00:00.000Z"
    by_name = {each["name"]: each for each in found["databases"]}
    assert by_name["app"]["tables"] == 12
    assert by_name["app"]["canary_sha256"] is None
    assert by_name["selfmonitor"]["canary_sha256"] == "c" * 64
    folder = outcome.details["folder"]
    assert found["globals"]["bytes"] == len(vault.content[f"{folder}globals.sql.gpg"])
    assert outcome.bytes == sum(len(v) for k, v in vault.content.items() if k.endswith(".gpg"))
    assert len(outcome.verified) == 3
    assert all(each["result"] is True for each in outcome.verified)
    assert cluster.open == 0


def test_the_folder_is_named_for_when_it_began_and_the_manifest_comes_last(
    cluster: Cluster, context: JobContext, files: Path, vault: Any
) -> None:
    folder = dump_all(context, files).details["folder"]
    started = datetime.fromisoformat(manifest(vault)["started"])
    assert folder == f"logical/{started:%Y%m%dT%H%M%SZ}/"
    assert list(vault.content)[-1] == f"{folder}manifest.json"


def test_the_database_postgres_is_dumped_once_something_is_in_it(
    cluster: Cluster, context: JobContext, files: Path, vault: Any
) -> None:
    cluster.tables["postgres"] = 1
    assert dump_all(context, files).details["databases"] == ["app", "postgres", "selfmonitor"]


def test_a_dump_is_of_the_snapshot_whose_canary_was_hashed(
    cluster: Cluster, context: JobContext, files: Path
) -> None:
    dump_all(context, files)
    for call in cluster.calls():
        if call["program"] == "pg_dump":
            assert "--snapshot=00000003-0000001B-1" in call["arguments"]
            assert any("host=postgres-2 " in each + " " for each in call["arguments"])
            assert "--lock-wait-timeout=60s" in call["arguments"]
            assert "--format=custom" in call["arguments"]


def test_the_password_is_in_a_file_of_ones_own_alone(
    cluster: Cluster, context: JobContext, files: Path, vault: Any, events: list[dict[str, Any]]
) -> None:
    before = {each.name for each in Path("/tmp").glob("dump-*")}
    dump_all(context, files)
    for call in cluster.calls():
        assert call["mode"] == "0o600"
        assert call["passfile"] == "*:*:*:backup:back\\\\up\\:pass\n"
        shown = " ".join(call["arguments"]) + json.dumps(call["environment"])
        assert PASSWORD not in shown
        assert json.dumps(PASSWORD)[1:-1] not in shown
        assert SECRET not in shown
    assert {each.name for each in Path("/tmp").glob("dump-*")} == before
    assert PASSWORD not in str(manifest(vault)) + str(events)


def test_roles_are_dumped_without_their_passwords(
    cluster: Cluster, context: JobContext, files: Path, vault: Any
) -> None:
    dump_all(context, files)
    (call,) = [each for each in cluster.calls() if each["program"] == "pg_dumpall"]
    assert {"--globals-only", "--no-role-passwords"} <= {*call["arguments"]}
    assert call["database"] == "postgres"


def test_a_standby_that_cancels_a_dump_is_replaced_by_the_primary(
    cluster: Cluster, context: JobContext, files: Path, vault: Any
) -> None:
    cluster.fails({"app": 1})
    dump_all(context, files)
    members = {each["name"]: each["member"] for each in manifest(vault)["databases"]}
    assert members == {"app": "postgres-1", "selfmonitor": "postgres-2"}


def test_a_dump_that_dies_is_no_dump(
    cluster: Cluster, context: JobContext, files: Path, vault: Any
) -> None:
    cluster.fails({"selfmonitor": 2})
    with pytest.raises(JobFailed) as caught:
        dump_all(context, files)
    assert str(caught.value).startswith(
        "database selfmonitor was not dumped: pg_dump failed (exit status 1): pg_dump: error: "
        "connection lost pg_dump: detail: gone; then from the primary: pg_dump failed"
    )
    # What it had written before it died was not stored as if it were all.
    assert [key.rpartition("/")[2] for key in vault.content] == ["app.dump.gpg"]
    assert cluster.open == 0


def test_a_standby_that_does_not_answer_is_no_reason_to_fail(
    cluster: Cluster, context: JobContext, files: Path, vault: Any, monkeypatch: Any
) -> None:
    names = logical._names

    def then_away(*arguments: Any) -> list[str]:
        found = names(*arguments)
        cluster.away = {"prefer-standby"}
        return found

    monkeypatch.setattr(logical, "_names", then_away)
    dump_all(context, files)
    assert {each["member"] for each in manifest(vault)["databases"]} == {"postgres-1"}


def test_a_cluster_that_does_not_answer_is_said_in_one_line(
    cluster: Cluster, context: JobContext, files: Path, vault: Any
) -> None:
    cluster.away = {"prefer-standby", "primary"}
    with pytest.raises(JobFailed, match=r"asked for its databases: no prefer-standby answers$"):
        dump_all(context, files)
    assert vault.content == {}


def test_a_database_of_the_stack_file_that_is_gone_fails_the_dump(
    cluster: Cluster, context: JobContext, files: Path, vault: Any
) -> None:
    cluster.databases.remove("app")
    with pytest.raises(JobFailed, match="database app of the stack file is not there"):
        dump_all(context, files)


def test_a_vault_that_goes_away_leaves_no_manifest(
    cluster: Cluster, context: JobContext, files: Path, vault: Any
) -> None:
    upload = vault.upload

    def then_away(key: str, stream: Any, on_bytes: Any = None) -> Any:
        vault.away = "selfmonitor" in key
        return upload(key, stream, on_bytes)

    vault.upload = then_away
    with pytest.raises(Exception, match="vault-1 does not answer"):
        dump_all(context, files)
    assert not [key for key in vault.content if key.endswith("manifest.json")]
    assert cluster.open == 0


def test_a_vault_that_lost_a_part_fails_the_dump(
    cluster: Cluster, context: JobContext, files: Path, vault: Any
) -> None:
    upload = vault.upload

    def halved(key: str, stream: Any, on_bytes: Any = None) -> Any:
        size = upload(key, stream, on_bytes)
        if "app" in key:
            vault.content[key] = vault.content[key][:10]
        return size

    vault.upload = halved
    with pytest.raises(JobFailed, match=r"app.dump.gpg is in the vault"):
        dump_all(context, files)
    assert not [key for key in vault.content if key.endswith("manifest.json")]


def test_a_name_that_is_no_file_name_is_written_so_that_it_is(
    cluster: Cluster, context: JobContext, files: Path, vault: Any
) -> None:
    cluster.databases.append("a/b c")
    cluster.tables["a/b c"] = 0
    folder = dump_all(context, files).details["folder"]
    assert f"{folder}a%2Fb%20c.dump.gpg" in vault.content
    assert cluster.calls()[-2]["database"] == "a/b c"


def test_progress_is_of_all_databases_in_bytes(
    cluster: Cluster, context: JobContext, files: Path, events: list[dict[str, Any]]
) -> None:
    dump_all(context, files)
    told = [(each["what"], each["done"], each["total"]) for each in events]
    assert told == [("dump of app", 22, None), ("dump of selfmonitor", 52, None)]
