"""A snapshot of Redis, checked and encrypted, in the vault.

redis/<YYYYMMDDTHHMMSSZ>/snapshot.rdb.gpg and, once that is there, manifest.json:
  {"stack", "started", "ended", "time": of the snapshot, "member", "role", "server_version",
   "key", "bytes", "sha256", "plain_bytes", "plain_sha256", "keys": int, "canary_sha256": hex}
bytes and sha256 are of the encrypted object; canary_sha256 is that of the value of the key
selfmonitor:canary, which was written just before and must be in the snapshot. A folder without a
manifest is no snapshot.
"""

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import redis

from backup_service.gpg import GpgError
from backup_service.jobs import JobContext, JobFailed, Outcome
from backup_service.redis_client import CANARY, Member, NoPrimary, connect, look_at_all, primary_of
from backup_service.settings import DATA, FILES, Settings
from backup_service.stored import read_back, store
from backup_service.times import iso, now, stamp

PREFIX = "redis/"
USER = "backup"
PASSWORD = "redis.password"  # noqa: S105 - the file's name

# One replica confirms the canary; which of them is seen by its offset.
WAIT_MILLISECONDS = 2000
CATCH_UP_SECONDS = 10
# The server makes the snapshot before it sends the first byte.
SILENT_SECONDS = 300
CHECK_SECONDS = 1800


def take(context: JobContext, files: Path = FILES, data: Path = DATA) -> Outcome:
    """The job. Raises JobFailed, and what the vault raises."""
    settings, vault = context.settings, context.vault
    started = now()
    folder = f"{PREFIX}{stamp(started)}/"
    for left in data.glob("snapshot-*"):
        shutil.rmtree(left, ignore_errors=True)
    try:
        with tempfile.TemporaryDirectory(prefix="snapshot-", dir=data) as scratch:
            path = Path(scratch) / "snapshot.rdb"
            value = secrets.token_hex(16)
            source = _write_canary(settings, files, value)
            moment = now()
            fetch(
                command(settings, source.address, files, path),
                (files / PASSWORD).read_text(encoding="utf-8").strip(),
                path,
                lambda count: context.progress.report(f"snapshot of {source.name}", count, None),
            )
            keys = check(path)
            size = path.stat().st_size
            with path.open("rb") as file:
                stored = store(
                    vault,
                    f"{folder}snapshot.rdb.gpg",
                    file,
                    files / "logical.key",
                    lambda count: context.progress.report("snapshot to the vault", count, size),
                )
    except (redis.RedisError, OSError, NoPrimary, GpgError) as error:
        raise JobFailed(f"no snapshot of Redis: {' '.join(str(error).split())}") from None
    verified = [
        {"what": "redis-check-rdb", "result": True, "detail": f"{keys} keys"},
        *read_back(vault, folder, [stored]),
    ]
    wrong = [each["what"] for each in verified if not each["result"]]
    if wrong:
        raise JobFailed(f"not so: {wrong[0]}: the vault lost what it was given, try again")
    manifest = {
        "stack": settings.stack,
        "started": iso(started),
        "ended": iso(now()),
        "time": iso(moment),
        "member": source.name,
        "role": source.role,
        "server_version": source.version,
        "key": stored.key,
        "bytes": stored.bytes,
        "sha256": stored.sha256,
        "plain_bytes": stored.plain_bytes,
        "plain_sha256": stored.plain_sha256,
        "keys": keys,
        "canary_sha256": hashlib.sha256(value.encode()).hexdigest(),
    }
    # Last: what there is of a snapshot before this is none.
    vault.put(f"{folder}manifest.json", json.dumps(manifest, indent=1).encode())
    details = {"folder": folder, "keys": keys, "member": source.name}
    return Outcome(stored.bytes, verified, details)


def _write_canary(settings: Settings, files: Path, value: str) -> Member:
    """Sets the canary on the primary; a member that has it, a replica if there is one in step."""
    primary = primary_of(*look_at_all(settings, USER, PASSWORD, files))
    with connect(settings, primary.address, USER, PASSWORD, files) as client:
        client.set(CANARY, value)
        client.execute_command("WAIT", 1, WAIT_MILLISECONDS)
        offset = int(client.info("replication")["master_repl_offset"])
    deadline = time.monotonic() + CATCH_UP_SECONDS
    while True:
        members, _ = look_at_all(settings, USER, PASSWORD, files)
        replicas = [m for m in members if m.role == "replica" and m.in_step and m.offset >= offset]
        if replicas:
            return max(replicas, key=lambda each: each.offset)
        if time.monotonic() > deadline:
            # While it sends a snapshot, a primary's list of replicas names the receiver too; only
            # without any replica in step is that a smaller trouble than no snapshot.
            return primary
        time.sleep(0.5)


def command(settings: Settings, address: str, files: Path, path: Path) -> list[str]:
    """What fetches a snapshot into `path`. It reads the password from its standard input."""
    return [
        *("redis-cli", "-h", address, "-p", str(settings.redis.port), "--tls"),
        *("--cacert", str(files / "ca.crt")),
        *("--cert", str(files / "tls.crt"), "--key", str(files / "tls.key")),
        *("--user", USER, "--askpass", "--no-auth-warning", "--rdb", str(path)),
    ]


def fetch(command: list[str], password: str, path: Path, on_bytes: Callable[[int], None]) -> None:
    """Runs the command for as long as `path` grows. Raises JobFailed, OSError."""
    # Made here: nobody else can read it, whatever the program would make it with.
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=complaints
        )
        try:
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(password.encode() + b"\n")
                process.stdin.close()
            _follow(process, path, on_bytes)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
        complaints.seek(0)
        said = complaints.read().decode(errors="replace").splitlines()
    if process.returncode != 0:
        raise JobFailed(
            f"redis-cli failed (exit status {process.returncode}): {' '.join(said[-2:])}"
        )


def _follow(
    process: "subprocess.Popen[bytes]", path: Path, on_bytes: Callable[[int], None]
) -> None:
    size, grown = 0, time.monotonic()
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.5)
            return
        found = path.stat().st_size
        if found != size:
            size, grown = found, time.monotonic()
            on_bytes(size)
        elif time.monotonic() - grown > SILENT_SECONDS:
            raise JobFailed(f"no byte of a snapshot came for {SILENT_SECONDS} s: see Redis's log")


def check(path: Path) -> int:
    """How many keys a good snapshot has. Raises JobFailed, naming what is wrong with another."""
    try:
        done = subprocess.run(
            ["redis-check-rdb", str(path)],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=CHECK_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise JobFailed(f"the snapshot was not checked within {CHECK_SECONDS} s") from None
    keys = re.search(r"\[info\] (\d+) keys read", done.stdout)
    if done.returncode != 0 or keys is None:
        lines = [line for line in done.stdout.splitlines() if "---" not in line]
        raise JobFailed(f"the snapshot is damaged: {' '.join(lines[-3:]) or done.stderr.strip()}")
    return int(keys[1])
