"""Whether the newest snapshot of Redis restores: decrypted, sound, and loaded by a server."""

import contextlib
import hashlib
import re
import subprocess
from pathlib import Path
from typing import Any

from backup_service import fetch
from backup_service.checks import Finding
from backup_service.errors import describe, one_line
from backup_service.fetch import NothingStored, Part
from backup_service.progress import Progress
from backup_service.storage import Storage

KIND = "redis"
CHECK_SECONDS = 1800.0
RDB = "snapshot.rdb"

_COUNT = r"\[info\] (\d+) "


def check(vault: Storage, folder: Path, secret: Path, progress: Progress) -> list[Finding]:
    """folder: an empty one to work in. Raises the vault's own error, and OSError."""
    try:
        _, manifest = fetch.newest(vault, KIND)
        part = Part(manifest["key"], manifest["bytes"], manifest["sha256"])
        expected, canary = int(manifest["keys"]), str(manifest["canary_sha256"])
    except NothingStored as error:
        return [Finding("redis snapshot", not error.due, str(error))]
    except (ValueError, KeyError, TypeError) as error:
        return [Finding("redis snapshot", False, f"its manifest is damaged: {error!r}")]
    what = "redis snapshot"
    path = folder / RDB
    path.touch(mode=0o600)
    with path.open("wb") as file:
        wrong = fetch.decrypt(
            vault,
            part,
            secret,
            file.write,
            lambda done: progress.report(f"restoring {part.key}", done, part.bytes),
        )
    if wrong:
        return [Finding(what, False, "; ".join(wrong))]
    try:
        keys, expiring = _sound(path)
        loaded, found = _load(folder)
    except _Unsound as error:
        return [Finding(what, False, str(error))]
    if keys != expected:
        wrong.append(f"it holds {keys} keys, {expected} were stored")
    # Those whose time is over are not loaded.
    if not keys - expiring <= loaded <= keys:
        wrong.append(f"{loaded} of its {keys} keys were loaded, of which {expiring} may expire")
    if found != canary:
        wrong.append("the canary key is not what was stored")
    when = manifest.get("time")
    detail = f"{part.key}: {loaded} of {keys} keys loaded, canary as stored; of {when}"
    return [Finding(what, not wrong, "; ".join(wrong) or detail)]


class _Unsound(Exception):
    """One line."""


def _sound(path: Path) -> tuple[int, int]:
    """(keys, those that expire at some time) by redis-check-rdb."""
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
        raise _Unsound(f"redis-check-rdb took longer than {CHECK_SECONDS:.0f} s") from None
    keys = re.search(_COUNT + "keys read", done.stdout)
    expiring = re.search(_COUNT + "expires", done.stdout)
    if done.returncode or not keys or not expiring:
        raise _Unsound(f"redis-check-rdb: {one_line(done.stdout[-400:])}")
    return int(keys[1]), int(expiring[1])


def _load(folder: Path) -> tuple[int, str]:
    """(keys in all its databases, the canary's hash) of a server that has loaded it."""
    import redis

    from backup_service.jobs import JobFailed
    from backup_service.load_redis import throwaway
    from backup_service.redis_client import CANARY

    try:
        with throwaway(folder, RDB) as database, contextlib.closing(database(0)) as client:
            spaces: dict[str, dict[str, Any]] = client.info("keyspace")
            value = client.get(CANARY)
    except (JobFailed, redis.RedisError, OSError) as error:
        raise _Unsound(describe(error)) from None
    loaded = sum(int(each["keys"]) for each in spaces.values())
    return loaded, hashlib.sha256(value or b"").hexdigest()
