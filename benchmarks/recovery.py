"""Measures what a recovery brings back: to any moment, and after the loss of everything else.

    .venv/bin/python -m benchmarks.recovery [--only pitr] [--points 20] [--load-seconds 180]
    .venv/bin/python -m benchmarks.recovery --only destroy --only destroy-copy --yes

The stack must be up. `pitr` restores it to random times of a loaded period and compares the rows
with those committed by then. `destroy` kills and removes everything but the vault under load and
brings the stack back from it, `destroy-copy` from the second region's copy alone: only with --yes.
Writes benchmarks/results/<date>/recovery.json.
"""

import argparse
import datetime
import json
import random
import sys
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import psycopg

from benchmarks import commits
from benchmarks.stack import Stack, opened, write
from cli.drill.vault_scene import written
from cli.drill.vault_service import (
    ALREADY_RUNNING,
    BACKUP,
    LONG_SECONDS,
    REPLICATION,
    SIDE,
    VAULT,
)
from cli.errors import OperationFailed, UserError
from platforms.docker_names import LABEL_MEMBER, LABEL_STACK

CLIENTS = 4
COPY = "vault-copy-1"
COPY_FILE = "/var/lib/backup/copy.json"
REDIS_KEY = "selfmonitor:benchmark"
# The promise with the vault alone left; with the copy alone, its lag comes on top.
PROMISED_SECONDS = 60

WINDOW_SECONDS = 240
COPY_SECONDS = 600
SIDE_ANSWERS_SECONDS = 60
WRITES_AGAIN_SECONDS = 300
HEALTHY_SECONDS = 180


# To any moment.


def random_times(
    first: datetime.datetime, last: datetime.datetime, points: int, seed: int
) -> list[datetime.datetime]:
    """Microseconds between the two, in random order, the same for the same seed."""
    chance = random.Random(seed)
    span = int((last - first) / datetime.timedelta(microseconds=1))
    return [first + datetime.timedelta(microseconds=chance.randint(0, span)) for _ in range(points)]


def pitr(
    stack: Stack, *, points: int, load_seconds: float, clients: int = CLIENTS, seed: int = 5
) -> dict[str, Any]:
    """Loads the stack and restores it beside itself to random times of the load."""
    connect = commits.connector(stack.cluster.conninfo())
    make_sure_of_a_backup(stack)
    commits.prepare(connect)
    try:
        with commits.Clients(connect, clients) as writing:
            time.sleep(load_seconds)
        acknowledged = writing.acknowledged
        told = {each.id: each.committed for each in acknowledged if each.committed}
        # Also of rows whose acknowledgement was lost on its way: the server knows them.
        times = commits.commit_times(connect)
        contradictions = sum(times.get(number) != when for number, when in told.items())
        chosen = random_times(min(times.values()), max(times.values()), points, seed)
        wait_for_window(stack, max(chosen))
        each_point = [_restore(stack, times, when) for when in chosen]
    finally:
        stack.service.ask(SIDE, "side", "drop", seconds=LONG_SECONDS)
        commits.remove(connect)
    seconds = sorted(each["restore_seconds"] for each in each_point)
    return {
        "points": points,
        "exact": sum(each["exact"] for each in each_point),
        "clients": clients,
        "load_seconds": load_seconds,
        "seed": seed,
        "acked": len(acknowledged),
        "committed": len(times),
        "contradictions": contradictions,
        "restore_seconds": {"p50": seconds[len(seconds) // 2], "max": seconds[-1]},
        "each_point": each_point,
    }


def make_sure_of_a_backup(stack: Stack) -> None:
    """A full backup from before whatever comes now. Raises OperationFailed."""
    if stack.window() is None:
        run_job(stack, "full")


def run_job(stack: Stack, kind: str) -> dict[str, Any]:
    """Runs a job, after one of its kind that is under way; its record. Raises OperationFailed."""
    while True:
        answer = stack.service.ask(BACKUP, "run", kind, seconds=LONG_SECONDS)
        if answer.status != ALREADY_RUNNING:
            break
        time.sleep(2)
    record = answer.record()
    if answer.status or record is None:
        raise OperationFailed(answer.failure())
    return record


def wait_for_window(stack: Stack, until: datetime.datetime) -> None:
    """Until that moment can be restored. Raises OperationFailed."""
    deadline = time.monotonic() + WINDOW_SECONDS
    while True:
        stack.must(BACKUP, "switch-wal")
        stack.must(BACKUP, "flush-journal")
        window = stack.window()
        if window is not None and window[1] >= until:
            return
        if time.monotonic() > deadline:
            raise OperationFailed(f"{written(until)} is not recoverable after {WINDOW_SECONDS} s")
        time.sleep(2)


def _restore(
    stack: Stack, times: dict[int, datetime.datetime], when: datetime.datetime
) -> dict[str, Any]:
    began = time.monotonic()
    answer = stack.service.ask(SIDE, "side", "restore", "--to", written(when), seconds=LONG_SECONDS)
    found: dict[str, Any] = {"to": written(when), "exact": False}
    if answer.status:
        found |= {"restore_seconds": round(time.monotonic() - began, 2), "error": answer.failure()}
        return found
    there = side_rows(stack)
    found["restore_seconds"] = round(time.monotonic() - began, 2)
    expected = commits.committed_by(times, when)
    found |= {
        "rows": len(there),
        "missing": len(expected - there),
        "too_many": len(there - expected),
        "exact": there == expected,
    }
    return found


def side_conninfo(stack: Stack) -> dict[str, str]:
    """What an application gives to libpq to reach the instance beside the cluster."""
    container = stack.cluster.container(SIDE).raw
    for bindings in (container.attrs["HostConfig"]["PortBindings"] or {}).values():
        for binding in bindings or ():
            host = binding.get("HostIp") or "127.0.0.1"
            return {**stack.cluster.conninfo(), "host": host, "port": str(binding["HostPort"])}
    raise OperationFailed(f"{SIDE} publishes no port")


def side_rows(stack: Stack) -> set[int]:
    """The ids that the instance beside the cluster has. Raises psycopg.Error."""
    connect = commits.connector(side_conninfo(stack))
    deadline = time.monotonic() + SIDE_ANSWERS_SECONDS
    while True:
        try:
            return commits.rows(connect)
        except psycopg.errors.UndefinedTable:
            return set()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


# After the loss of everything else.


def destroy(
    stack: Stack, *, source: str, load_seconds: float, clients: int = CLIENTS
) -> dict[str, Any]:
    """Under load, everything but one vault is killed and removed; the stack comes back from it.

    source: vault or copy. Afterwards the stack is up again, with that vault's content.
    """
    survivor = VAULT if source == "vault" else COPY
    connect = commits.connector(stack.cluster.conninfo())
    commits.prepare(connect)
    with _redis(stack) as redis:
        redis.set(REDIS_KEY, "kept")
    for kind in ("full", "logical", "redis"):
        run_job(stack, kind)
    if source == "copy":
        wait_for_copy(stack)
    with commits.Clients(connect, clients) as writing:
        time.sleep(load_seconds)
        lag = copy_state(stack) if source == "copy" else {}
        removed = remove_all_but(stack, survivor)
        # What is acknowledged is known by now; nobody is left to answer.
        acknowledged = writing.acknowledged
    began = time.monotonic()
    with _FirstWrite(connect) as first:
        asked = ["up", "--from-backup", *(["--source", source] if source != "vault" else [])]
        done = stack.run(*asked)
        up_seconds = time.monotonic() - began
        if done.returncode:
            raise OperationFailed(f"selfmonitor {' '.join(asked)} ended with {done.returncode}")
        writes_after = first.wait(WRITES_AGAIN_SECONDS)
    found = commits.loss(acknowledged, commits.rows(connect))
    with _redis(stack) as redis:
        redis_is_back = redis.get(REDIS_KEY) == "kept"
        redis.delete(REDIS_KEY)
    lag_seconds = lag.get("lag_seconds")
    promised = PROMISED_SECONDS + float(lag_seconds or 0)
    healthy = becomes_healthy(stack)
    commits.remove(connect)
    return {
        "source": source,
        "clients": clients,
        "load_seconds": load_seconds,
        "removed": removed,
        **{
            f"{name}_commits": number for name, number in asdict(found).items() if name != "seconds"
        },
        "lost_seconds": None if found.seconds is None else round(found.seconds, 3),
        "copy_lag_seconds": lag_seconds,
        "promised_seconds": round(promised, 3),
        "kept_the_promise": found.seconds is not None
        and found.seconds <= promised
        and not found.holes,
        "up_seconds": round(up_seconds, 2),
        "writes_after_seconds": None if writes_after is None else round(writes_after - began, 2),
        "redis_is_back": redis_is_back,
        "healthy": healthy,
    }


def remove_all_but(stack: Stack, survivor: str) -> dict[str, int]:
    """Kills every container of the stack at once, but the survivor's, and removes them and their
    volumes, data included; how many of each.
    """
    mine = {"label": f"{LABEL_STACK}={stack.cluster.stack}"}
    doomed = [
        each
        for each in stack.client.containers.list(all=True, filters=mine, ignore_removed=True)
        if each.labels.get(LABEL_MEMBER) != survivor
    ]
    _together(_kill, doomed)
    _together(lambda container: container.remove(v=True, force=True), doomed)
    volumes = [
        each
        for each in stack.client.volumes.list(filters=mine)
        if (each.attrs["Labels"] or {}).get(LABEL_MEMBER) != survivor
    ]
    for volume in volumes:
        volume.remove(force=True)
    return {"containers": len(doomed), "volumes": len(volumes)}


def _kill(container: Any) -> None:
    import docker.errors

    with suppress(docker.errors.APIError):
        # One that has ended, or is paused, is removed all the same.
        container.kill(signal="SIGKILL")


def _together(act: Any, containers: Iterable[Any]) -> None:
    every = list(containers)
    with ThreadPoolExecutor(max_workers=max(1, len(every))) as pool:
        list(pool.map(act, every))


def copy_state(stack: Stack) -> dict[str, Any]:
    """How far the second copy is behind, by the replication's own word."""
    found: dict[str, Any] = json.loads(stack.service.read(REPLICATION, COPY_FILE))
    return found


def wait_for_copy(stack: Stack) -> None:
    """Until the second copy has everything. Raises OperationFailed."""
    since = datetime.datetime.now(datetime.UTC)
    deadline = time.monotonic() + COPY_SECONDS
    while True:
        with suppress(OperationFailed, ValueError, KeyError):
            found = copy_state(stack)
            looked = datetime.datetime.fromisoformat(found["time"])
            if found["objects_behind"] == 0 and looked > since:
                return
        if time.monotonic() > deadline:
            raise OperationFailed(f"the second copy is behind after {COPY_SECONDS} s")
        time.sleep(1)


def becomes_healthy(stack: Stack) -> bool:
    """Whether `status` says so within a time."""
    deadline = time.monotonic() + HEALTHY_SECONDS
    while not (healthy := stack.run("status").returncode == 0) and time.monotonic() < deadline:
        time.sleep(2)
    return healthy


def _redis(stack: Stack) -> Any:
    import redis

    access = stack.cluster.redis_access()
    return redis.Redis(
        host=access.host,
        port=access.ports[0],
        username=access.username,
        password=access.password,
        ssl=True,
        ssl_ca_certs=access.ca_file,
        socket_timeout=10,
        decode_responses=True,
    )


class _FirstWrite:
    """Tries to write all the while, and knows when that first worked."""

    def __init__(self, connect: commits.Connect) -> None:
        self._connect = connect
        self._worked = threading.Event()
        self._stopping = threading.Event()
        self._at: float | None = None
        self._thread = threading.Thread(target=self._try, daemon=True)

    def __enter__(self) -> "_FirstWrite":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()

    def wait(self, seconds: float) -> float | None:
        """The monotonic time of the first write; None if there was none by then."""
        self._worked.wait(seconds)
        return self._at

    def _try(self) -> None:
        while not self._stopping.is_set():
            with suppress(psycopg.Error, OSError), self._connect() as connection:
                # No client's row: theirs begin at 0.
                connection.execute(commits.INSERT, (-1, -1))
                self._at = time.monotonic()
                self._worked.set()
                return
            self._stopping.wait(0.5)


def main() -> int:
    """Exit status 0 when every point was exact and every promise kept."""
    parser = argparse.ArgumentParser(description="What recoveries bring back.")
    parser.add_argument("--stack", default="local")
    parser.add_argument(
        "--only", action="append", choices=["pitr", "destroy", "destroy-copy"], help="repeatable"
    )
    parser.add_argument("--points", type=int, default=20)
    parser.add_argument("--load-seconds", type=float, default=180)
    parser.add_argument("--yes", action="store_true", help="destroy everything but a vault")
    arguments = parser.parse_args()
    parts = arguments.only or ["pitr"]
    if any(part != "pitr" for part in parts) and not arguments.yes:
        parser.error(f"this destroys stack {arguments.stack} but for a vault: give --yes")
    failed = False
    try:
        stack = opened(arguments.stack)
        for part in parts:
            if part == "pitr":
                found = pitr(stack, points=arguments.points, load_seconds=arguments.load_seconds)
                failed |= found["exact"] != found["points"] or found["contradictions"] > 0
            else:
                source = "copy" if part == "destroy-copy" else "vault"
                found = destroy(stack, source=source, load_seconds=arguments.load_seconds)
                failed |= not (found["kept_the_promise"] and found["healthy"])
            target = write("recovery", {part.replace("-", "_"): found})
            shown = {key: value for key, value in found.items() if key != "each_point"}
            print(f"{target}\n{json.dumps(shown)}", flush=True)
    except (OperationFailed, UserError) as error:
        print(error, file=sys.stderr)
        return 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
