"""Whether the newest logical dump restores: all of it, into an empty cluster."""

import contextlib
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from backup_service import checks, fetch
from backup_service.checks import Finding
from backup_service.errors import one_line
from backup_service.fetch import NothingStored, Part
from backup_service.progress import Progress
from backup_service.storage import Storage
from backup_service.throwaway import BIN, SUPERUSER, Throwaway

KIND = "logical"
# After its input has ended it builds the last indexes.
END_SECONDS = 3600.0
COMPLAINT_BYTES = 4096

# The superuser is there before; a tablespace's folder is not, and its tables go elsewhere.
_EXPECTED = re.compile(r'role "[^"]*" already exists|directory "[^"]*" does not exist|tablespace')


def check(
    vault: Storage, folder: Path, secret: Path, progress: Progress, bin_dir: Path = BIN
) -> list[Finding]:
    """One finding for each database, and one for the roles. folder: an empty one to work in.

    Raises RecoverFailed when no cluster can be made here, and the vault's own error.
    """
    try:
        name, manifest = fetch.newest(vault, KIND)
        databases = list(manifest["databases"])
        sizes = manifest["globals"]
        roles = Part(f"{name}globals.sql.gpg", sizes["bytes"], sizes["sha256"])
        parts = [Part(each["key"], each["bytes"], each["sha256"]) for each in databases]
    except NothingStored as error:
        return [Finding("logical dump", not error.due, str(error))]
    except (ValueError, KeyError, TypeError) as error:
        return [Finding("logical dump", False, f"its manifest is damaged: {error!r}")]
    with Throwaway(folder / "data", bin_dir=bin_dir) as server:
        server.initialise()
        server.start(progress=progress)
        restore = _Restore(vault, server, secret, progress, bin_dir)
        # First: a database's policies name roles.
        findings = [restore.roles(roles)]
        for database, part in zip(databases, parts, strict=True):
            findings.append(restore.database(database, part))
    return findings


class _Restore:
    """Into one server, one part after the other."""

    def __init__(
        self, vault: Storage, server: Throwaway, secret: Path, progress: Progress, bin_dir: Path
    ) -> None:
        self._vault = vault
        self._server = server
        self._secret = secret
        self._progress = progress
        self._bin = bin_dir

    def roles(self, part: Part) -> Finding:
        command = [*self._client("psql", "postgres"), "--no-psqlrc", "--quiet"]
        wrong, complaint, _ = self._feed(command, part)
        errors = [line for line in complaint.splitlines() if "ERROR:" in line]
        wrong += [one_line(line) for line in errors if not _EXPECTED.search(line)][:3]
        detail = f"{part.key}: decrypted and run"
        return Finding("logical dump of the roles", not wrong, "; ".join(wrong) or detail)

    def database(self, described: dict[str, Any], part: Part) -> Finding:
        import psycopg
        from psycopg import sql

        name = described["name"]
        what = f"logical dump of {name}"
        try:
            with self._server.connect() as connection:
                # The manifest's name, but never a database of the cluster's own.
                connection.execute(
                    sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier("dump"))
                )
            command = [
                *self._client("pg_restore", "dump"),
                *("--exit-on-error", "--no-owner", "--no-privileges", "--no-tablespaces"),
            ]
            wrong, complaint, status = self._feed(command, part)
            if status:
                wrong.append(f"pg_restore of {name}: {one_line(complaint)}")
            detail = "" if wrong else self._compare(described, wrong)
        except psycopg.Error as error:
            return Finding(what, False, one_line(str(error)))
        finally:
            with contextlib.suppress(psycopg.Error), self._server.connect() as connection:
                connection.execute("DROP DATABASE IF EXISTS dump WITH (FORCE)")
        return Finding(what, not wrong, "; ".join(wrong) or detail)

    def _compare(self, described: dict[str, Any], wrong: list[str]) -> str:
        from backup_service.logical import TABLES

        with self._server.connect("dump") as connection:
            row = connection.execute(TABLES).fetchone()
        tables = row[0] if row else 0
        if tables != described["tables"]:
            wrong.append(f"{tables} tables were restored, {described['tables']} were dumped")
        expected = described.get("canary_sha256")
        if expected is not None and checks.content(self._server, "dump") != expected:
            wrong.append("the canary table is not what was dumped")
        same = ", canary as dumped" if expected is not None else ""
        when = described.get("snapshot_time")
        return f"{described['key']}: {tables} tables restored{same}; of {when}"

    def _client(self, program: str, database: str) -> list[str]:
        return [
            str(self._bin / program),
            *("--host", str(self._server.socket), "--port", str(self._server.port)),
            *("--username", SUPERUSER, "--no-password", "--dbname", database),
        ]

    def _feed(self, command: list[str], part: Part) -> tuple[list[str], str, int]:
        """Gives a program what the part holds: (what was wrong with that, its stderr, its end)."""

        def on_bytes(done: int) -> None:
            self._progress.report(f"restoring {part.key}", done, part.bytes)

        with tempfile.TemporaryFile() as complaints, _running(command, complaints) as process:
            assert process.stdin is not None
            accepts = True

            def sink(chunk: bytes) -> None:
                nonlocal accepts
                # It ended early, and its stderr says why; the rest is still checked.
                if accepts:
                    try:
                        process.stdin.write(chunk)  # type: ignore[union-attr]
                    except BrokenPipeError:
                        accepts = False

            wrong = fetch.decrypt(self._vault, part, self._secret, sink, on_bytes)
            if wrong:
                # Half of it must not look like all of it.
                process.kill()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            status = process.wait(END_SECONDS)
            complaints.seek(0)
            text = complaints.read(COMPLAINT_BYTES).decode(errors="replace")
            return wrong, text, 0 if wrong else status


@contextlib.contextmanager
def _running(command: list[str], complaints: Any) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=complaints,
        bufsize=0,
        env={"LC_ALL": "C", "PGCONNECT_TIMEOUT": "10"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
