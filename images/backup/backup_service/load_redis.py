"""Loads what the running primary lacks of the newest snapshot of Redis in the vault.

The snapshot is read by a redis-server of its own, which listens on a socket in a private folder
alone; key by key it goes from there to the primary (DUMP, RESTORE), so that replicas, Sentinels and
whoever is connected go on as ever. A key that is there is never replaced: it was written since the
snapshot, or by this very load before it was interrupted. The key selfmonitor:restored says how far
a load came, by which the next run goes on with the same snapshot:
{"snapshot": folder, "state": "loading" | "loaded"}.
"""

import contextlib
import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from backup_service.gpg import GpgError, decrypted
from backup_service.jobs import JobFailed, open_vault
from backup_service.pipeline import CHUNK
from backup_service.progress import Progress
from backup_service.redis_client import (
    CANARY,
    NoPrimary,
    connect,
    look_at_all,
    primary_of,
)
from backup_service.redis_snapshot import PREFIX
from backup_service.settings import FILES, Settings
from backup_service.storage import Storage
from backup_service.times import from_stamp

USER = "restore"
PASSWORD = "redis-restore.password"  # noqa: S105 - the file's name
MARKER = "selfmonitor:restored"
LOADING, LOADED = "loading", "loaded"
# They tell of a server, not of its data: those of the snapshot are not loaded.
OWN_KEYS = frozenset(key.encode() for key in (MARKER, CANARY))

KEYS_AT_ONCE = 500
BYTES_AT_ONCE = 32 * 1024 * 1024
# Keys that are large take their time.
ANSWER_SECONDS = 60
# A failover takes less; so does a replica that has to come into step before writes are accepted.
AGAIN_SECONDS = 120
START_SECONDS = 1800
PASSES = 3
# For a replica to have it all. None may be there, which is no reason to fail.
CONFIRM_MILLISECONDS = 10_000


class Interrupted(Exception):
    """The primary went away or took no writes for a while."""


def main(
    settings: Settings,
    progress: Progress,
    before: datetime | None = None,
    *,
    files: Path = FILES,
    vault: Storage | None = None,
) -> int:
    """Loads what Redis lacks of a snapshot. 0: it has all of it, or there is none.

    before: snapshots taken later are passed over; they are of the Redis that is to be filled. The
    last line of the log says what came of it. Raises JobFailed, and what the vault raises.
    """
    vault = vault or open_vault(settings)
    found = newest(vault, before)
    if found is None:
        log("no snapshot of Redis is in the vault: nothing to load")
        return 0
    folder, manifest = found
    target = Target(settings, files)
    try:
        marked, state = target.marked()
        if (marked, state) == (folder, LOADED):
            log(f"{folder} was loaded before: nothing to do")
            return 0
        if state == LOADING and (begun := manifest_of(vault, marked)) is not None:
            # What is there of one snapshot is not mixed with another.
            folder, manifest = marked, begun
        target.mark(folder, LOADING)
        # The snapshot, and the server's own memory: this needs room for the data twice.
        with tempfile.TemporaryDirectory(prefix="load-redis-") as scratch:
            path = Path(scratch) / "snapshot.rdb"
            fetch(vault, folder, manifest, files / "logical.key", path, progress)
            with throwaway(Path(scratch), path.name) as source:
                loaded, kept = load(source, target, progress)
        target.mark(folder, LOADED)
    except (redis.RedisError, OSError, NoPrimary, GpgError, Interrupted) as error:
        raise JobFailed(f"{folder} was not loaded: {' '.join(str(error).split())}") from None
    why = " (loaded before it was interrupted, or written since)" if state == LOADING else ""
    log(f"{folder}: {loaded} keys loaded, {kept} were there already and stayed{why}")
    return 0


def log(text: str) -> None:
    sys.stderr.write(f"load-redis: {text}\n")
    sys.stderr.flush()


def newest(vault: Storage, before: datetime | None = None) -> tuple[str, dict[str, Any]] | None:
    """(folder, manifest) of the newest snapshot taken by then.

    Raises JobFailed, and what the vault raises.
    """
    names = (each.rstrip("/").rpartition("/")[2] for each in vault.folders(PREFIX))
    for name in sorted(names, reverse=True):
        try:
            moment = from_stamp(name)
        except ValueError:
            continue
        folder = f"{PREFIX}{name}/"
        if before is not None and moment > before:
            continue
        if (manifest := manifest_of(vault, folder)) is not None:
            return folder, manifest
    return None


def manifest_of(vault: Storage, folder: str) -> dict[str, Any] | None:
    """What a snapshot says of itself; None where there is no whole one.

    Raises JobFailed, and what the vault raises.
    """
    if not vault.exists(f"{folder}manifest.json"):
        return None
    try:
        found: dict[str, Any] = json.loads(vault.get(f"{folder}manifest.json"))
    except ValueError:
        raise JobFailed(f"{folder}manifest.json in the vault is damaged") from None
    return found


def fetch(
    vault: Storage,
    folder: str,
    manifest: dict[str, Any],
    secret: Path,
    path: Path,
    progress: Progress,
) -> None:
    """The snapshot, decrypted, in `path`. Raises GpgError, OSError, and what the vault raises."""
    size, total = 0, manifest.get("plain_bytes")
    with (
        open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file,
        contextlib.closing(vault.open(f"{folder}snapshot.rdb.gpg")) as cipher,
        decrypted(cipher, secret, f"{folder}snapshot.rdb.gpg") as stream,
    ):
        while data := stream.read(CHUNK):
            file.write(data)
            size += len(data)
            progress.report("snapshot from the vault", size, total)


@contextlib.contextmanager
def throwaway(folder: Path, rdb: str) -> Iterator[Callable[[int], Any]]:
    """By database, a client of a server that has loaded `rdb` and serves nobody else.

    Raises JobFailed, redis.RedisError.
    """
    way = folder / "redis.sock"
    said = folder / "redis.log"
    command = [
        *("redis-server", "--port", "0", "--unixsocket", str(way), "--unixsocketperm", "700"),
        *("--dir", str(folder), "--dbfilename", rdb, "--save", "", "--appendonly", "no"),
        *("--daemonize", "no", "--logfile", str(said), "--databases", "16"),
    ]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:

        def connected(database: int) -> Any:
            return redis.Redis(
                unix_socket_path=str(way),
                db=database,
                protocol=2,
                socket_timeout=ANSWER_SECONDS,
                retry=Retry(NoBackoff(), 0),
            )

        _until_loaded(process, connected(0), said)
        yield connected
    finally:
        process.kill()
        process.wait()


def _until_loaded(process: "subprocess.Popen[bytes]", client: Any, said: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        if process.poll() is not None:
            lines = said.read_text(errors="replace").splitlines() if said.exists() else []
            raise JobFailed(f"the snapshot cannot be read by redis-server: {' '.join(lines[-2:])}")
        try:
            client.ping()
            return
        except (redis.ConnectionError, redis.BusyLoadingError) as error:
            if time.monotonic() > deadline:
                raise JobFailed(f"the snapshot was not read within {START_SECONDS} s") from error
        time.sleep(0.1)


class Target:
    """The primary, whoever that is at the moment."""

    def __init__(self, settings: Settings, files: Path) -> None:
        self._settings = settings
        self._files = files
        self._clients: dict[int, Any] = {}
        # Each time the primary had to be looked for, something it had confirmed may be lost.
        self.found = 0

    def again(self, work: Callable[[Any], Any], database: int = 0) -> Any:
        """work(client), tried for as long as a failover takes. Raises Interrupted, RedisError."""
        deadline = time.monotonic() + AGAIN_SECONDS
        while True:
            try:
                return work(self._connected(database))
            except (redis.ConnectionError, redis.TimeoutError, NoPrimary, OSError) as error:
                reason = str(error)
            except redis.ResponseError as error:
                # READONLY: no longer the primary; NOREPLICAS: none of its replicas is in step.
                reason = str(error)
                if not isinstance(error, redis.ReadOnlyError) and "NOREPLICAS" not in reason:
                    raise
            self._clients.clear()
            if time.monotonic() > deadline:
                raise Interrupted(f"the primary took no writes for {AGAIN_SECONDS} s: {reason}")
            time.sleep(1)

    def _connected(self, database: int) -> Any:
        if not self._clients:
            self._primary = primary_of(*look_at_all(self._settings, USER, PASSWORD, self._files))
            self.found += 1
        if database not in self._clients:
            self._clients[database] = connect(
                self._settings,
                self._primary.address,
                USER,
                PASSWORD,
                self._files,
                ANSWER_SECONDS,
                database,
            )
        return self._clients[database]

    def mark(self, folder: str, state: str) -> None:
        text = json.dumps({"snapshot": folder, "state": state})
        self.again(lambda client: client.set(MARKER, text))

    def marked(self) -> tuple[str, str]:
        """(snapshot, state) of the load that was begun last; empty texts: of none."""
        text = self.again(lambda client: client.get(MARKER))
        try:
            found = json.loads(text or b"")
            return str(found["snapshot"]), str(found["state"])
        except (ValueError, KeyError, TypeError):
            return "", ""


def load(source: Callable[[int], Any], target: Target, progress: Progress) -> tuple[int, int]:
    """(keys loaded, keys that were there already), over all databases.

    Of a batch whose answer a failover cut off, what it had loaded counts as there already.
    """
    databases = {int(n[2:]): int(v["keys"]) for n, v in source(0).info("keyspace").items()}
    total = sum(databases.values())
    libraries = _libraries(source(0))
    done = kept = 0
    for attempt in range(PASSES):
        before = target.found
        same = [name for name, payload in libraries if not _loads(target, payload)]
        done = there = 0
        for number in databases:
            for batch in _batches(source(number)):
                there += target.again(functools.partial(_restore, batch=batch), number)
                done += len(batch)
                progress.report("keys to the primary", min(done, total), total)
        if attempt == 0:
            # In another pass this load's own are there as well.
            kept = there
            if same:
                log(f"libraries of functions that were there already and stayed: {', '.join(same)}")
        if target.found == before:
            break
        # Replication is asynchronous: what the last primary had confirmed may not be on this one.
        log(f"the primary changed while keys were loaded: once more ({attempt + 1} of {PASSES})")
    else:
        raise Interrupted(f"the primary changed in each of {PASSES} passes")
    target.again(lambda client: client.execute_command("WAIT", 1, CONFIRM_MILLISECONDS))
    return done - kept, kept


def _libraries(client: Any) -> list[tuple[str, bytes]]:
    """(name, what FUNCTION RESTORE takes of it alone) of each library of functions.

    All in one would be refused for one that is there. The throwaway's own are gone afterwards.
    """
    found = []
    for each in client.execute_command("FUNCTION", "LIST", "WITHCODE"):
        library = dict(zip(each[::2], each[1::2], strict=True))
        client.execute_command("FUNCTION", "FLUSH")
        client.execute_command("FUNCTION", "LOAD", library[b"library_code"])
        name = library[b"library_name"].decode(errors="replace")
        found.append((name, client.execute_command("FUNCTION", "DUMP")))
    return found


def _loads(target: Target, payload: bytes) -> bool:
    """Loads a library of functions; not where one of its name, or a function of it, is there."""
    words = ("FUNCTION", "RESTORE", payload, "APPEND")
    try:
        target.again(lambda primary: primary.execute_command(*words))
    except redis.ResponseError as error:
        if "already exists" not in str(error):
            raise
        return False
    return True


def _batches(client: Any) -> Iterator[list[tuple[bytes, int, bytes]]]:
    """(key, expires at, value as DUMP gives it), some hundred at a time, bounded in bytes.

    Expiry in milliseconds since 1970, 0 for never.
    """
    cursor, first = 0, True
    average = client.info("memory")["used_memory"] // max(1, client.dbsize())
    at_once = max(1, min(KEYS_AT_ONCE, BYTES_AT_ONCE // max(1, average)))
    while first or cursor:
        first = False
        cursor, keys = client.scan(cursor, count=at_once)
        for start in range(0, len(keys), at_once):
            part = [key for key in keys[start : start + at_once] if key not in OWN_KEYS]
            pipeline = client.pipeline(transaction=False)
            for key in part:
                pipeline.execute_command("PEXPIRETIME", key)
                pipeline.execute_command("DUMP", key)
            answers = pipeline.execute()
            # One that has expired in the meantime has no value.
            yield [
                (key, max(0, expiry), value)
                for key, expiry, value in zip(part, answers[::2], answers[1::2], strict=True)
                if value is not None
            ]


def _restore(client: Any, batch: list[tuple[bytes, int, bytes]]) -> int:
    """Loads them; how many were there already. Raises redis.RedisError for the first that failed.

    Without REPLACE the server itself sees to it that nothing is overwritten: there is no moment
    between looking and writing.
    """
    pipeline = client.pipeline(transaction=False)
    for key, expiry, value in batch:
        pipeline.execute_command("RESTORE", key, expiry, value, "ABSTTL")
    answers = pipeline.execute(raise_on_error=False)
    kept = 0
    for answer in answers:
        if isinstance(answer, redis.ResponseError) and "BUSYKEY" in str(answer):
            kept += 1
        elif isinstance(answer, Exception):
            raise answer
    return kept
