"""Measures backups and restores against pg_dump and pg_restore in the same run, and what a backup
costs those who commit meanwhile.

    .venv/bin/python -m benchmarks.backup --gib 1 [--gib 5] [--shape ledger] [--stack local]

The stack must be up, and idle. Fills a database of that size, takes a full backup, changes 5 % and
takes a differential one, restores it, dumps it and restores the dump; then commits for a while
without and with a full backup beside it. Takes the tables away again; what was stored in the vault
meanwhile stays there for as long as anything does. Writes benchmarks/results/<date>/backup.json.

pg_dump runs where the backups do, in backup-1, and keeps its dump there: it is neither encrypted
nor sent over a network, as the backups are. pg_restore runs in a container like side-1, where the
backup is restored: the same image and limits, with a fresh server of its own that needs no standby
and archives nothing. Both are given as many processes as pgBackRest has, and the dump also its own
default, one.
"""

import argparse
import base64
import json
import os
import secrets
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from benchmarks import commits
from benchmarks.recovery import run_job, wait_for_window
from benchmarks.stack import RESULTS, Stack, opened, write
from cli.drill.vault_scene import moment, written
from cli.drill.vault_service import BACKUP, SIDE
from cli.errors import OperationFailed, UserError
from platforms.docker_names import LABEL_MEMBER, LABEL_ROLE, LABEL_STACK, ROLE_FAULT, object_name

# So that a dump with several processes has something for each of them.
TABLES = 8
ROW_BYTES = 1024
CHANGED_SHARE = 0.05
ROWS_A_COPY = 32 * 1024
CLIENTS = 4
COMMIT_SECONDS = 60
QUIET_SECONDS = 900
# Where the benchmark's own files are, on the volume of backup-1.
FOLDER = "/var/lib/backup/benchmark"

GOALS = {"full_times_faster": 3.0, "restore_times_faster": 4.0, "commits_under_backup": 0.8}

# psql's and pg_dump's way in, as role backup; the password is in no argument and no environment.
AUTHORISED = f"""set -eu
umask 077
mkdir -p {FOLDER}
export PGPASSFILE={FOLDER}/pgpass PGUSER=backup PGSSLMODE=verify-full
export PGSSLROOTCERT=/etc/selfmonitor/ca.crt
export PGSSLCERT=/etc/selfmonitor/tls.crt PGSSLKEY=/etc/selfmonitor/tls.key
printf '*:*:*:*:%s\\n' "$(cat /etc/selfmonitor/postgres.password)" > "$PGPASSFILE"
trap 'rm -f "$PGPASSFILE"' EXIT
"""
# A server for the dump alone. What would only slow it down is off, and fsync is on: what is
# restored has to be there afterwards.
SERVER = f"""set -eu
cd {FOLDER}
rm -rf instance
initdb --pgdata=instance --auth=trust --username=postgres --data-checksums > /dev/null
mkdir -p /tmp/benchmark
pg_ctl start --pgdata=instance --silent --wait --log=server.log -o "-c listen_addresses='' \
-c unix_socket_directories=/tmp/benchmark -c wal_level=minimal -c max_wal_senders=0 \
-c max_wal_size=4GB -c checkpoint_timeout=30min"
export PGHOST=/tmp/benchmark PGUSER=postgres
createdb restored
"""


@dataclass(frozen=True)
class Shape:
    """What the rows are like. columns: of each table. indexes: column lists, beside the key on id.
    bytes_a_row: on a disk, indexes included, measured with 1 GiB of it. insert: SQL that adds rows
    first to last; None: they come from here. changes: what an update sets.
    """

    columns: str
    indexes: tuple[str, ...]
    bytes_a_row: int
    insert: str | None
    changes: str


# What applications like SelfMonitor's have most of: many small rows, found by several indexes.
LEDGER = Shape(
    "id bigint PRIMARY KEY, account uuid NOT NULL, booked timestamptz NOT NULL, "
    "amount numeric(14, 2) NOT NULL, currency char(3) NOT NULL, reference uuid NOT NULL, "
    "description text NOT NULL",
    ("account, booked", "booked", "reference"),
    300,
    "SELECT n, gen_random_uuid(), timestamptz '2026-01-01' + n * interval '1 second', "
    "(random() * 100000)::numeric(14, 2), (ARRAY['GBP', 'EUR', 'USD'])[1 + n % 3], "
    "gen_random_uuid(), 'card payment to merchant ' || n % 5000 || ' in terminal ' || n % 977 "
    "FROM generate_series({first}, {last}) AS n",
    "amount = amount + 1",
)
# Few large rows, half of each noise: the dump has little to do for them.
DOCUMENTS = Shape(
    "id bigint PRIMARY KEY, part int NOT NULL, content text",
    ("part",),
    ROW_BYTES,
    None,
    "content = reverse(content)",
)
SHAPES = {"ledger": LEDGER, "documents": DOCUMENTS}


def documents(first: int, number: int) -> Iterator[bytes]:
    """Lines for COPY: half of each can be compressed, the other half cannot."""
    half = ROW_BYTES // 2
    filler = (b"the quick brown fox jumps over the lazy dog " * (half // 44 + 1))[: half - 24]
    for number_ in range(first, first + number):
        noise = base64.b64encode(os.urandom(half * 3 // 4 + 3))[:half]
        yield b"%d\t%d\t%b%b\n" % (number_, number_ % 1000, filler, noise)


def table(number: int) -> str:
    """Its name."""
    return f"selfmonitor_benchmark_{number}"


def fill(connect: commits.Connect, size: int, shape: Shape) -> int:
    """Tables of about that many bytes in all, with their indexes; how many rows each has."""
    each = size // TABLES // shape.bytes_a_row
    with connect() as connection:
        for number in range(TABLES):
            name = table(number)
            connection.execute(f"DROP TABLE IF EXISTS {name}")
            connection.execute(f"CREATE TABLE {name} ({shape.columns})")
            for first in range(0, each, ROWS_A_COPY):
                _add(connection, name, shape, first, min(ROWS_A_COPY, each - first))
            for columns in shape.indexes:
                connection.execute(f"CREATE INDEX ON {name} ({columns})")
        # Now, and not by autovacuum while something is measured: it writes every page once more.
        for number in range(TABLES):
            connection.execute(f"VACUUM (FREEZE, ANALYZE) {table(number)}")
    return each


def _add(
    connection: "psycopg.Connection[Any]", name: str, shape: Shape, first: int, number: int
) -> None:
    if shape.insert is not None:
        select = shape.insert.format(first=first, last=first + number - 1)
        connection.execute(f"INSERT INTO {name} {select}")
        return
    with connection.cursor() as cursor, cursor.copy(f"COPY {name} FROM STDIN") as copy:
        for line in documents(first, number):
            copy.write(line)


def change(connect: commits.Connect, each: int, shape: Shape) -> None:
    """A part of every table, as much of each."""
    with connect() as connection:
        for number in range(TABLES):
            connection.execute(
                f"UPDATE {table(number)} SET {shape.changes} WHERE id < %s",
                (int(each * CHANGED_SHARE),),
            )


def remove(connect: commits.Connect) -> None:
    """Takes the tables away."""
    with connect() as connection:
        for number in range(TABLES):
            connection.execute(f"DROP TABLE IF EXISTS {table(number)}")


def database_bytes(connect: commits.Connect) -> int:
    """What the database takes on a disk."""
    with connect() as connection:
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    assert row is not None
    return int(row[0])


def wait_until_quiet(stack: Stack) -> None:
    """Until all WAL is in the vault: what is measured next is measured alone."""
    deadline = time.monotonic() + QUIET_SECONDS
    while True:
        found = json.loads(stack.service.read(BACKUP, "/var/lib/backup/archiver.json"))
        recent = time.time() - moment(found["time"]).timestamp() < 10
        if recent and found["state"] == "ok" and found["waiting_segments"] == 0:
            return
        if time.monotonic() > deadline:
            raise OperationFailed(
                f"{found['waiting_segments']} WAL segments wait after {QUIET_SECONDS} s: "
                f"{found['message']}"
            )
        time.sleep(2)


# Commands inside.


def execute(container: Any, script: str) -> str:
    """Runs a shell script in a container to its end; its output. Raises OperationFailed."""
    result = container.exec_run(["/bin/sh", "-c", script], demux=True)
    said, complaint = ((part or b"").decode(errors="replace") for part in result.output)
    if result.exit_code:
        raise OperationFailed(
            f"{container.name} ended with {result.exit_code}: {complaint.strip()[-600:]}"
        )
    return said


def timed(act: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what it gave."""
    began = time.monotonic()
    found = act()
    return round(time.monotonic() - began, 2), found


def processes(container: Any) -> int:
    """How many pgBackRest uses at once."""
    script = "sed -n 's/^process-max *= *//p' /etc/selfmonitor/pgbackrest.conf | tail -n 1"
    return int(execute(container, script).strip() or 1)


def dump_script(members: list[str], database: str, jobs: int) -> str:
    """Dumps as pg_dump does: with several processes into a folder, with one into a file."""
    where = f"{FOLDER}/dump-{jobs}"
    form = f"--format=directory --jobs={jobs}" if jobs > 1 else "--format=custom"
    target = (
        f"host={','.join(members)} port={','.join(['5432'] * len(members))} "
        f"dbname={database} target_session_attrs=primary"
    )
    return (
        f"{AUTHORISED}rm -rf {where}\n"
        f"pg_dump '{target}' {form} --table='selfmonitor_benchmark_*' --file={where}\n"
        f"sync -f {where}\n"
        f"du -sb {where} | cut -f 1\n"
    )


def restore_script(dumped_by: int, jobs: int) -> str:
    """Restores the dump that so many processes made. What comes before is not counted: begin and
    end are its output.
    """
    return (
        f"{SERVER}begun=$(date +%s.%N)\n"
        f"pg_restore --dbname=restored --no-owner --no-privileges --exit-on-error "
        f"--jobs={jobs} {FOLDER}/dump-{dumped_by}\n"
        # A restored backup was checkpointed as well before anybody was let in.
        "psql -qc CHECKPOINT restored\n"
        'echo "$begun $(date +%s.%N)"\n'
        "psql -Atc 'SELECT count(*) FROM selfmonitor_benchmark_0' restored\n"
        "pg_ctl stop --pgdata=instance --silent --wait --mode=fast\n"
    )


@contextmanager
def like_side(stack: Stack) -> Iterator[Any]:
    """A container with the image and the limits of side-1 and the volume of backup-1."""
    side = stack.cluster.container(SIDE).raw
    host = side.attrs["HostConfig"]
    container = stack.client.containers.run(
        side.attrs["Image"],
        ["/bin/sleep", "36000"],
        entrypoint=[],
        name=object_name(stack.cluster.stack, f"benchmark-{secrets.token_hex(3)}"),
        labels={
            LABEL_STACK: stack.cluster.stack,
            LABEL_MEMBER: "benchmark",
            LABEL_ROLE: ROLE_FAULT,
        },
        network_mode="none",
        user=side.attrs["Config"]["User"],
        cap_drop=["ALL"],
        security_opt=["no-new-privileges:true"],
        read_only=True,
        mem_limit=host["Memory"],
        memswap_limit=host["MemorySwap"],
        nano_cpus=host["NanoCpus"],
        shm_size="256m",
        tmpfs={"/tmp": "rw,nosuid,nodev,size=16m,mode=1777"},
        volumes={
            object_name(stack.cluster.stack, f"{BACKUP}-data"): {
                "bind": "/var/lib/backup",
                "mode": "rw",
            }
        },
        detach=True,
    )
    try:
        yield container
    finally:
        container.remove(force=True)


def limits(container: Any) -> dict[str, float]:
    """What a container may use."""
    host = container.attrs["HostConfig"]
    return {
        "memory_mib": round(host["Memory"] / 1024**2),
        "cpus": round(host["NanoCpus"] / 10**9, 2),
    }


# What is measured.


def backups(stack: Stack, connect: commits.Connect, each: int, shape: Shape) -> dict[str, Any]:
    """A full backup, a differential one, and the restore of both to the last moment."""
    wait_until_quiet(stack)
    full_seconds, full = timed(lambda: run_job(stack, "full"))
    change(connect, each, shape)
    wait_until_quiet(stack)
    differential_seconds, differential = timed(lambda: run_job(stack, "differential"))
    # A backup that ended in the very second of the target is not taken.
    time.sleep(2)
    with connect() as connection:
        row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    wait_for_window(stack, row[0])
    restore_seconds, answer = timed(
        lambda: stack.must(SIDE, "side", "restore", "--to", written(row[0]))
    )
    stack.must(SIDE, "side", "drop")
    return {
        "full": _job(full_seconds, full),
        "differential": _job(differential_seconds, differential),
        "restore": {
            "seconds": restore_seconds,
            "details": [each for each in answer.said if "event" not in each],
        },
    }


def _job(seconds: float, record: dict[str, Any]) -> dict[str, Any]:
    return {
        "seconds": seconds,
        "bytes": record.get("bytes"),
        "details": record.get("details"),
    }


def dumps(stack: Stack, jobs: int, restore_jobs: int) -> dict[str, Any]:
    """pg_dump and pg_restore of the same tables: with as many processes as pgBackRest has for
    either, and with the dump's own default, one.
    """
    info = stack.cluster.conninfo()
    members = stack.cluster.members("postgres")
    container = stack.cluster.container(BACKUP).raw
    found: dict[str, Any] = {}
    try:
        for name, number, restorers in (
            ("same_processes", jobs, restore_jobs),
            ("its_default", 1, 1),
        ):
            seconds, said = timed(
                lambda number=number: execute(  # type: ignore[misc]
                    container, dump_script(members, info["dbname"], number)
                )
            )
            with like_side(stack) as beside:
                times, rows_there = (
                    execute(beside, restore_script(number, restorers)).strip().splitlines()
                )
            begun, ended = map(float, times.split())
            found[name] = {
                "processes": number,
                "restore_processes": restorers,
                "dump_seconds": seconds,
                "dump_bytes": int(said.split()[-1]),
                "restore_seconds": round(ended - begun, 2),
                "rows_of_first_table": int(rows_there),
            }
    finally:
        execute(container, f"rm -rf {FOLDER}")
    # The system's own: one pg_dump, encrypted and sent to the vault.
    seconds, record = timed(lambda: run_job(stack, "logical"))
    found["logical_job"] = _job(seconds, record)
    return found


def ratios(measured: dict[str, Any], dumped: dict[str, Any]) -> dict[str, float]:
    """How many times faster than the dump: with as many processes, and with its own default."""
    found = {}
    for name in ("same_processes", "its_default"):
        other = dumped[name]
        found[f"full_times_faster_{name}"] = round(
            other["dump_seconds"] / measured["full"]["seconds"], 2
        )
        found[f"restore_times_faster_{name}"] = round(
            other["restore_seconds"] / measured["restore"]["seconds"], 2
        )
    return found


def commits_a_second(connect: commits.Connect, until: Callable[[float], bool]) -> float:
    """Commits acknowledged a second by a few clients, for as long as `until` (seconds so far) says
    no.
    """
    with commits.Clients(connect, CLIENTS, pace=0, ask_time=False) as writing:
        time.sleep(1)
        before, began = len(writing.acknowledged), time.monotonic()
        while not until(time.monotonic() - began):
            time.sleep(0.1)
        number, seconds = len(writing.acknowledged) - before, time.monotonic() - began
    return number / seconds


def commit_throughput(stack: Stack, connect: commits.Connect) -> dict[str, Any]:
    """Without a backup, with one after the other, and without again."""
    half = COMMIT_SECONDS / 2
    alone, beside, running = [], [], 0

    def without() -> None:
        wait_until_quiet(stack)
        commits.prepare(connect)
        alone.append(commits_a_second(connect, lambda seconds: seconds >= half))

    without()
    commits.prepare(connect)
    with commits.Clients(connect, CLIENTS, pace=0, ask_time=False) as writing:
        spent = 0.0
        while spent < COMMIT_SECONDS:
            # Only while one runs: not the time between two.
            before, began = len(writing.acknowledged), time.monotonic()
            run_job(stack, "full")
            seconds = time.monotonic() - began
            beside.append((len(writing.acknowledged) - before, seconds))
            spent += seconds
            running += 1
    without()
    commits.remove(connect)
    with_backup = sum(number for number, _ in beside) / sum(seconds for _, seconds in beside)
    return {
        "clients": CLIENTS,
        "alone_per_second": [round(each, 1) for each in alone],
        "under_backup_per_second": round(with_backup, 1),
        "full_backups_meanwhile": running,
        "seconds_under_backup": round(spent, 1),
        "ratio": round(with_backup / statistics.fmean(alone), 3),
    }


def measure(stack: Stack, gib: float, shape: str) -> dict[str, Any]:
    """All figures of one size and shape. Raises OperationFailed, psycopg.Error."""
    connect = commits.connector(stack.cluster.conninfo())
    container = stack.cluster.container(BACKUP).raw
    jobs = processes(container)
    try:
        fill_seconds, each = timed(lambda: fill(connect, int(gib * 1024**3), SHAPES[shape]))
        size = database_bytes(connect)
        measured = backups(stack, connect, each, SHAPES[shape])
        wait_until_quiet(stack)
        dumped = dumps(stack, jobs, processes(stack.cluster.container(SIDE).raw))
        throughput = commit_throughput(stack, connect)
    finally:
        remove(connect)
    compared = ratios(measured, dumped)
    return {
        "gib": gib,
        "shape": shape,
        "database_bytes": size,
        "tables": TABLES,
        "rows": each * TABLES,
        "fill_seconds": fill_seconds,
        "processes": jobs,
        "limits": {
            BACKUP: limits(container),
            SIDE: limits(stack.cluster.container(SIDE).raw),
            "postgres-1": limits(stack.cluster.container("postgres-1").raw),
        },
        **measured,
        "dump": dumped,
        "ratios": compared,
        "commits": throughput,
        "goals": GOALS,
        "goals_met": goals_met(compared, throughput["ratio"]),
    }


def goals_met(compared: dict[str, float], commits_under_backup: float) -> dict[str, bool]:
    """Against the dump as it is run by default; see `ratios` for the other comparison."""
    return {
        "full_times_faster": compared["full_times_faster_its_default"]
        >= GOALS["full_times_faster"],
        "restore_times_faster": compared["restore_times_faster_its_default"]
        >= GOALS["restore_times_faster"],
        "commits_under_backup": commits_under_backup >= GOALS["commits_under_backup"],
    }


def main() -> int:
    """Exit status 0 when all could be measured, whatever the figures are."""
    parser = argparse.ArgumentParser(description="Backups against dumps.")
    parser.add_argument("--gib", action="append", type=float, help="size; repeatable; 1 by default")
    parser.add_argument(
        "--shape", action="append", choices=SHAPES, help="of the rows; repeatable; all by default"
    )
    parser.add_argument("--stack", default="local")
    arguments = parser.parse_args()
    try:
        stack = opened(arguments.stack)
        for gib in arguments.gib or [1.0]:
            for shape in arguments.shape or SHAPES:
                found = measure(stack, gib, shape)
                target = write("backup", {f"{gib:g}_gib_{shape}": found})
                print(f"{target.relative_to(RESULTS)}\n{json.dumps(found)}", flush=True)
    except (OperationFailed, UserError, psycopg.Error) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
