"""Runs one job: alone of its kind, and never without a record."""

import contextlib
import fcntl
import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backup_service import rotation, times
from backup_service.errors import Terminated, WrongInput, describe
from backup_service.progress import Emit, Progress, kept_for, nowhere
from backup_service.records import FAILED, INTERRUPTED, OK, Record, Records
from backup_service.settings import Settings, credentials
from backup_service.storage import Storage

# kind → module:function. Imported when it runs: the scheduler needs none of it.
REGISTRY = {
    "full": "backups:full",
    "differential": "backups:differential",
    "logical": "logical:dump_all",
    "redis": "redis_snapshot:take",
    "restore-test": "restore_test:run",
}
# Kinds that must not run at the same time share a lock. pgBackRest would refuse, too.
LOCKS = {"full": "backup", "differential": "backup"}
# A run that was killed says nothing itself.
KILLED = "it was killed, or the machine went down, before it ended"


@dataclass(frozen=True)
class JobContext:
    """What a job gets. options: what was asked for, {"at": str | None, "wrong_key": bool}."""

    settings: Settings
    vault: Storage
    progress: Progress
    records: Records
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a job that did not fail came to; see Record. It has failed after all when one of
    `verified` has.
    """

    bytes: int | None = None
    verified: list[dict[str, Any]] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)


Job = Callable[[JobContext], Outcome]


class JobFailed(Exception):
    """One line: what failed, where, and what to do.

    verified, details: what was found before it did, for the record.
    """

    def __init__(
        self,
        message: str,
        *,
        verified: list[dict[str, Any]] | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.verified = verified or []
        self.details = details or {}


class AlreadyRunning(Exception):
    """Another run of this kind, or of one that shares its lock, has not ended."""

    exit_status = 3


def open_vault(settings: Settings) -> Storage:
    """The stack's vault, with this container's credentials."""
    # By name: boto3 is large, and most of this program does not need it.
    s3 = importlib.import_module("backup_service.s3")
    vault: Storage = s3.Vault(settings.vault, credentials("vault"))
    return vault


def run(
    kind: str,
    settings: Settings,
    vault: Storage,
    data: Path,
    *,
    emit: Emit = nowhere,
    options: dict[str, Any] | None = None,
    job: Job | None = None,
) -> Record:
    """Runs a job and returns its record, whatever came of it.

    emit: gets the progress. job: instead of the registered one. Raises AlreadyRunning,
    which leaves no record; WrongInput and Terminated go on once the record says so.
    """
    if job is None:
        job = find(kind)
    records = Records(data, vault)
    progress = Progress(emit, kept_for(data, kind))
    with locked(kind, data):
        records.interrupt(kind, KILLED)
        running = records.begin(kind)
        try:
            outcome = job(JobContext(settings, vault, progress, records, options or {}))
            end = _judged(outcome, _rotated(kind, settings, vault))
        except JobFailed as error:
            end = {
                "result": FAILED,
                "error": describe(error),
                "verified": error.verified,
                "details": error.details,
            }
        except WrongInput as error:
            # Nobody needs to be woken by a mistyped time.
            running.finish(INTERRUPTED, error=describe(error))
            raise
        except Terminated:
            running.finish(INTERRUPTED, error="it was asked to stop before it was done")
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is in the record
            if not type(error).__module__.startswith("backup_service"):
                traceback.print_exc(file=sys.stderr)
            end = {"result": FAILED, "error": describe(error)}
        except BaseException:
            running.finish(INTERRUPTED, error="it was interrupted before it was done")
            raise
        finally:
            progress.end()
        return running.finish(**end)


def find(kind: str) -> Job:
    """The registered job. Raises WrongInput for a kind there is not."""
    if kind not in REGISTRY:
        raise WrongInput(f"there is no job {kind!r}: {', '.join(REGISTRY)}")
    module, _, function = REGISTRY[kind].partition(":")
    job: Job = getattr(importlib.import_module(f"backup_service.{module}"), function)
    return job


def settle(kind: str, data: Path, records: Records, error: str = KILLED) -> list[Record]:
    """Notes of runs that died unnoticed that they did; none when one is still running."""
    last = records.last(kind)
    if last is None or not last.running:
        return []
    try:
        with locked(kind, data):
            return records.interrupt(kind, error)
    except AlreadyRunning:
        return []


@contextlib.contextmanager
def locked(kind: str, data: Path) -> Iterator[None]:
    """Holds the kind's lock, which ends with this process at the latest. Raises AlreadyRunning."""
    folder = data / "locks"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(folder / LOCKS.get(kind, kind), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(_who(file, kind)) from None
        os.ftruncate(file, 0)
        holder = {"kind": kind, "pid": os.getpid(), "since": times.iso(times.now())}
        os.pwrite(file, json.dumps(holder).encode(), 0)
        yield
    finally:
        os.close(file)


def _who(file: int, kind: str) -> str:
    try:
        found = json.loads(os.pread(file, 4096, 0))
        return f"{found['kind']} is running since {found['since']} (process {found['pid']})"
    except (ValueError, KeyError, TypeError):
        # It has taken the lock this very moment.
        return f"{kind} is running already"


def _judged(outcome: Outcome, rotated: dict[str, Any]) -> dict[str, Any]:
    """How a run is finished: a check that failed is never a success."""
    wrong = [each for each in outcome.verified if each["result"] is not True]
    return {
        "result": FAILED if wrong else OK,
        "bytes": outcome.bytes,
        "error": "; ".join(f"{each['what']}: {each['detail']}" for each in wrong) or None,
        "verified": outcome.verified,
        "details": {**outcome.details, **rotated},
    }


def _rotated(kind: str, settings: Settings, vault: Storage) -> dict[str, Any]:
    """What went with this run; what could not go goes with the next."""
    if kind not in rotation.FOLDERS:
        return {}
    try:
        return {"rotated": rotation.rotate(vault, kind, settings.retention_days, times.now())}
    except Exception as error:  # noqa: BLE001 - the run itself is done and well
        return {"rotation_failed": describe(error)}
