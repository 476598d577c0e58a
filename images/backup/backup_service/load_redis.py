"""Loads the newest snapshot of Redis from the vault into the running primary.

The snapshot is read by a redis-server of its own, which listens on a socket in a private folder
alone; key by key it goes from there to the primary (DUMP, RESTORE), so that replicas, Sentinels and
whoever is connected go on as ever. The key selfmonitor:restored says how far a load came:
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
    *,
    replace: bool = False,
    before: datetime | None = None,
    files: Path = FILES,
    vault: Storage | None = None,
) -> int:
    """replace: also where there are keys already, which those of the snapshot replace.

    before: the newest snapshot that is not newer than this. 0: loaded, or there is nothing to load.
    Raises JobFailed, and what the vault raises.
    """
    vault = vault or open_vault(settings)
    found = newest(vault, before)
    if found is None:
        log("no snapshot of Redis is in the vault: nothing to load")
        return 0
    folder, manifest = found
    target = Target(settings, files)
    try:
        if not _may_begin(target, folder, replace):
            log(f"{folder} was loaded before: nothing to do")
            return 0
        # The snapshot, and the server's own memory: this needs room for the data twice.
        with tempfile.TemporaryDirectory(prefix="load-redis-") as scratch:
            path = Path(scratch) / "snapshot.rdb"
            fetch(vault, folder, manifest, files / "logical.key", path, progress)
            with throwaway(Path(scratch), path.name) as source:
                loaded, kept = load(source, target, replace, progress)
        target.mark(folder, "loaded")
    except (redis.RedisError, OSError, NoPrimary, GpgError, Interrupted) as error:
        raise JobFailed(f"{folder} was not loaded: {' '.join(str(error).split())}") from None
    log(f"{folder}: {loaded} keys loaded, {kept} were there already and stayed")
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
        if (before is None or moment <= before) and vault.exists(f"{folder}manifest.json"):
            try:
                return folder, json.loads(vault.get(f"{folder}manifest.json"))
            except ValueError:
                raise JobFailed(f"{folder}manifest.json in the vault is damaged") from None
    return None


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

    def marked(self) -> tuple[str, str] | None:
        """(snapshot, state) of the load that was begun last."""
        text = self.again(lambda client: client.get(MARKER))
        try:
            found = json.loads(text or b"")
            return found["snapshot"], found["state"]
        except (ValueError, KeyError, TypeError):
            return None

    def keys(self) -> int:
        """Those in all databases that are not this service's own."""
        return int(self.again(_count))


def _count(client: Any) -> int:
    databases = client.info("keyspace")
    count = sum(int(each["keys"]) for each in databases.values())
    return count - int(client.exists(CANARY)) - int(client.exists(MARKER))


def _may_begin(target: Target, folder: str, replace: bool) -> bool:
    """Whether to load; False: that was done. Raises JobFailed when it would mix with other data."""
    marked = target.marked()
    if marked == (folder, "loaded"):
        return False
    keys = target.keys()
    if marked != (folder, "loading") and keys > 0 and not replace:
        raise JobFailed(
            f"Redis already has {keys} keys: nothing was loaded. Empty it first, or let the keys "
            "of the snapshot replace those of the same name"
        )
    target.mark(folder, "loading")
    return True


def load(
    source: Callable[[int], Any], target: Target, replace: bool, progress: Progress
) -> tuple[int, int]:
    """(keys loaded, keys that were there already), over all databases."""
    databases = {int(n[2:]): int(v["keys"]) for n, v in source(0).info("keyspace").items()}
    total = sum(databases.values())
    loaded = kept = 0
    for attempt in range(PASSES):
        before = target.found
        _functions(source(0), target)
        done = 0
        for number in databases:
            for batch in _batches(source(number)):
                work = functools.partial(_restore, batch=batch, replace=replace)
                new, old = target.again(work, number)
                loaded, kept = loaded + new, kept + old
                done += len(batch)
                progress.report("keys to the primary", min(done, total), total)
        if target.found == before:
            break
        # Replication is asynchronous: what the last primary had confirmed may not be on this one.
        log(f"the primary changed while keys were loaded: once more ({attempt + 1} of {PASSES})")
    else:
        raise Interrupted(f"the primary changed in each of {PASSES} passes")
    target.again(lambda client: client.execute_command("WAIT", 1, CONFIRM_MILLISECONDS))
    return loaded, kept


def _functions(client: Any, target: Target) -> None:
    if not client.execute_command("FUNCTION", "LIST"):
        return
    payload = client.execute_command("FUNCTION", "DUMP")
    words = ("FUNCTION", "RESTORE", payload, "REPLACE")
    target.again(lambda primary: primary.execute_command(*words))


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
            part = [key for key in keys[start : start + at_once] if key != MARKER.encode()]
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


def _restore(client: Any, batch: list[tuple[bytes, int, bytes]], replace: bool) -> tuple[int, int]:
    """(loaded, already there). Raises redis.RedisError for the first that is neither."""
    pipeline = client.pipeline(transaction=False)
    for key, expiry, value in batch:
        words = ["RESTORE", key, expiry, value, *(["REPLACE"] if replace else []), "ABSTTL"]
        pipeline.execute_command(*words)
    answers = pipeline.execute(raise_on_error=False)
    kept = 0
    for answer in answers:
        if isinstance(answer, redis.ResponseError) and "BUSYKEY" in str(answer):
            # Loaded before this load was interrupted, or written by an application since.
            kept += 1
        elif isinstance(answer, Exception):
            raise answer
    return len(batch) - kept, kept
