"""A logical dump of every database, encrypted, in the vault.

logical/<YYYYMMDDTHHMMSSZ>/<database>.dump.gpg, globals.sql.gpg and, once all of these are there,
manifest.json:
  {"stack", "started", "ended", "server_version": "17.11",
   "globals": {"bytes", "sha256", "plain_bytes"},
   "databases": [{"name", "key", "bytes", "sha256", "plain_bytes", "tables", "canary_sha256": hex |
                  null, "server_version", "member", "started", "ended", "snapshot_time"}, ...]}
bytes and sha256 are of the encrypted object, tables counts those of users, canary_sha256 is that of
the canary table in the very snapshot that was dumped. A folder without a manifest is no dump.
"""

import contextlib
import functools
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg.conninfo import make_conninfo

from backup_service.canary import CONTENT_SQL
from backup_service.gpg import GpgError
from backup_service.jobs import JobContext, JobFailed, Outcome
from backup_service.pipeline import Program
from backup_service.postgres import DATABASE, ROLE, Session, connect, one_line, parameters, password
from backup_service.settings import FILES, Settings
from backup_service.stored import Stored, read_back, store
from backup_service.times import iso, now, stamp

PREFIX = "logical/"
COMPRESSION = "zstd:3"
# A table that is being altered for longer than this fails the dump, which would hold up others.
LOCK_SECONDS = 60
# A standby may cancel a dump that holds back its replay; the primary does not.
SESSIONS: tuple[Session, ...] = ("prefer-standby", "primary")

DATABASES = """
SELECT datname, pg_database_size(oid) FROM pg_database
WHERE datallowconn AND NOT datistemplate AND datconnlimit <> -2 ORDER BY datname
"""
TABLES = """
SELECT count(*) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind IN ('r', 'p') AND nspname NOT IN ('pg_catalog', 'information_schema')
  AND nspname !~ '^pg_(toast|temp)'
"""
SNAPSHOT = """
SELECT pg_export_snapshot(), coalesce(pg_last_xact_replay_timestamp(), clock_timestamp()),
       to_regclass('public.canary') IS NOT NULL
"""


class DumpFailed(Exception):
    """One attempt, in one line."""


@dataclass(frozen=True)
class Snapshot:
    """What a dump is made of. time: the last commit a standby had replayed, or the primary's."""

    identifier: str
    member: str
    server_version: str
    time: datetime
    tables: int
    canary_sha256: str | None


def dump_all(context: JobContext, files: Path = FILES) -> Outcome:
    """The job. Raises JobFailed, and what the vault raises."""
    settings, vault = context.settings, context.vault
    started = now()
    folder = f"{PREFIX}{stamp(started)}/"
    names = _names(settings, files)
    done = _Total(context, names)
    stored: list[Stored] = []
    databases: list[dict[str, Any]] = []
    for name in names:
        key = f"{folder}{quote(name, safe='')}.dump.gpg"
        attempt = functools.partial(_dump, context, files, name, key, done.of(name))
        part, described = _twice(f"database {name}", attempt)
        stored.append(part)
        databases.append(described)
    attempt = functools.partial(_globals, context, files, f"{folder}globals.sql.gpg")
    roles, _ = _twice("the roles", attempt)
    stored.append(roles)

    verified = read_back(vault, folder, stored)
    wrong = [each["what"] for each in verified if not each["result"]]
    if wrong:
        raise JobFailed(f"not so: {wrong[0]}: the vault lost what it was given, dump again")
    manifest = {
        "stack": settings.stack,
        "started": iso(started),
        "ended": iso(now()),
        "server_version": databases[0]["server_version"],
        "globals": _sizes(roles),
        "databases": databases,
    }
    # Last: what there is of a dump before this is none.
    vault.put(f"{folder}manifest.json", json.dumps(manifest, indent=1).encode())
    return Outcome(
        sum(each.bytes for each in stored), verified, {"folder": folder, "databases": names}
    )


def _sizes(stored: Stored) -> dict[str, Any]:
    return {"bytes": stored.bytes, "sha256": stored.sha256, "plain_bytes": stored.plain_bytes}


class _Total:
    """Progress over all databases, in bytes of the dumps; how many there will be is not known."""

    def __init__(self, context: JobContext, names: list[str]) -> None:
        self._context = context
        self._read = dict.fromkeys(names, 0)

    def of(self, name: str) -> Callable[[int], None]:
        def on_bytes(count: int) -> None:
            self._read[name] = count
            self._context.progress.report(f"dump of {name}", sum(self._read.values()), None)

        return on_bytes


def _names(settings: Settings, files: Path) -> list[str]:
    """What to dump: every database there is, and each of the settings'."""
    try:
        with connect(settings, "postgres", "prefer-standby", files) as connection:
            found = [name for name, _ in connection.execute(DATABASES)]
            (tables,) = _one(connection.execute(TABLES))
    except (psycopg.Error, OSError) as error:
        raise JobFailed(
            f"PostgreSQL cannot be asked for its databases: {one_line(error)}"
        ) from None
    missing = sorted({each.name for each in settings.postgres.databases} - {*found})
    if missing:
        raise JobFailed(f"database {missing[0]} of the stack file is not there: run up")
    return [name for name in found if name != "postgres" or tables]


def _one(cursor: psycopg.Cursor[Any]) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = cursor.fetchone()
    assert row is not None
    return row


def _twice(
    what: str, attempt: Callable[[Session], tuple[Stored, dict[str, Any]]]
) -> tuple[Stored, dict[str, Any]]:
    errors = []
    for session in SESSIONS:
        try:
            return attempt(session)
        except (psycopg.Error, OSError, DumpFailed, GpgError) as error:
            errors.append(one_line(error))
    raise JobFailed(f"{what} was not dumped: {'; then from the primary: '.join(errors)}")


def _dump(
    context: JobContext,
    files: Path,
    name: str,
    key: str,
    on_bytes: Callable[[int], None],
    session: Session,
) -> tuple[Stored, dict[str, Any]]:
    started = now()
    with (
        _snapshot(context.settings, files, session, name) as snapshot,
        _passfile(files) as passfile,
    ):
        command = [
            *("pg_dump", "--format=custom", f"--compress={COMPRESSION}", "--no-password"),
            f"--lock-wait-timeout={LOCK_SECONDS}s",
            f"--snapshot={snapshot.identifier}",
            f"--dbname={_conninfo(context.settings, files, name, snapshot.member, passfile)}",
        ]
        stored = _store(context, files, command, key, on_bytes)
    return stored, {
        "name": name,
        "key": key,
        **_sizes(stored),
        "tables": snapshot.tables,
        "canary_sha256": snapshot.canary_sha256,
        "server_version": snapshot.server_version,
        "member": snapshot.member,
        "started": iso(started),
        "ended": iso(now()),
        "snapshot_time": iso(snapshot.time),
    }


def _globals(
    context: JobContext, files: Path, key: str, session: Session
) -> tuple[Stored, dict[str, Any]]:
    """Roles, memberships and settings; superusers alone can read passwords, and `up` sets them."""
    with connect(context.settings, "postgres", session, files) as connection:
        member = connection.info.host
    with _passfile(files) as passfile:
        conninfo = _conninfo(context.settings, files, "postgres", member, passfile)
        command = [
            *("pg_dumpall", "--globals-only", "--no-role-passwords", "--no-password"),
            f"--dbname={conninfo}",
        ]
        return _store(context, files, command, key, None), {}


def _store(
    context: JobContext,
    files: Path,
    command: list[str],
    key: str,
    on_bytes: Callable[[int], None] | None,
) -> Stored:
    def explain(status: int, complaint: str) -> Exception:
        return DumpFailed(f"{command[0]} failed (exit status {status}): {complaint}")

    with Program(command, explain).whole_reads() as stream:
        return store(context.vault, key, stream, files / "logical.key", on_bytes)


@contextlib.contextmanager
def _snapshot(settings: Settings, files: Path, session: Session, name: str) -> Iterator[Snapshot]:
    """Held open until the dump is done: it is worth something only as long."""
    with (
        connect(
            settings, name, session, files, idle_in_transaction_session_timeout=0
        ) as connection,
        connection.transaction(),
    ):
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        identifier, time, has_canary = _one(connection.execute(SNAPSHOT))
        (tables,) = _one(connection.execute(TABLES))
        canary = None
        if name == DATABASE and has_canary:
            (canary,) = _one(connection.execute(CONTENT_SQL))
        yield Snapshot(
            identifier=identifier,
            member=connection.info.host,
            server_version=_version(connection),
            time=time,
            tables=tables,
            canary_sha256=canary,
        )


def _version(connection: psycopg.Connection[Any]) -> str:
    """Without the packager's additions."""
    return (connection.info.parameter_status("server_version") or "unknown").split()[0]


@contextlib.contextmanager
def _passfile(files: Path) -> Iterator[Path]:
    """A password file of libpq: the way that shows in no argument and no environment."""
    with tempfile.TemporaryDirectory(prefix="dump-", dir="/tmp") as folder:
        path = Path(folder) / "pgpass"
        secret = password(files).replace("\\", "\\\\").replace(":", "\\:")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"*:*:*:{ROLE}:{secret}\n")
        yield path


def _conninfo(settings: Settings, files: Path, database: str, member: str, passfile: Path) -> str:
    """The same member that the snapshot is of."""
    found = parameters(settings, database, files=files)
    found |= {"host": member, "port": settings.postgres.port, "target_session_attrs": "any"}
    return make_conninfo("", passfile=str(passfile), **found)
