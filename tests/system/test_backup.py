"""Backups of the real stack: made, restored to any moment, harmed, and never silently wrong."""

import datetime
import json
import threading
import time

import psycopg
import pytest

from benchmarks import recovery
from benchmarks.stack import Stack as Measured
from cli.docker_cluster import DockerCluster
from cli.project import ROOT, Project

UTC = datetime.UTC
# Once each process of every server: what it was begun with.
PROCESSES = (
    "for each in /proc/[0-9]*; do "
    "tr '\\0' '\\n' < $each/environ; tr '\\0' '\\n' < $each/cmdline; echo; done 2> /dev/null"
)
CREDENTIALS = ("vault.credentials.json", "copy.credentials.json")
SERVICE = ("backup-1", "replication-1", "restore-test-1", "side-1")


@pytest.fixture(scope="module")
def measured(stack):
    """The stack as the benchmarks use it."""
    cluster = DockerCluster(Project(ROOT, stack.name, stack.file), stack.client)
    return Measured(cluster, stack.client, tuple(stack.command()))


@pytest.fixture(scope="module")
def backed_up(stack, measured):
    """A stack with a full backup, a dump of every database and a snapshot of Redis."""
    for kind in ("full", "logical", "redis"):
        # Or after the one that the scheduler of a new stack begins by itself.
        recovery.run_job(measured, kind)
    recovery.wait_for_window(measured, now())
    return stack


def now():
    return datetime.datetime.now(UTC)


def moment(text):
    return datetime.datetime.fromisoformat(text)


def info(stack):
    return json.loads(stack.ok("backup", "info", "-o", "json"))


def test_what_was_backed_up_is_listed_and_opens_a_window(backed_up):
    listed = json.loads(backed_up.ok("backup", "list", "-o", "json"))
    made = {each["kind"] for each in listed if each["result"] == "ok"}
    assert {"full", "logical", "redis"} <= made
    found = info(backed_up)
    begin, end = (moment(found["window"][key]) for key in ("begin", "end"))
    assert begin < end <= now()
    assert now() - end < datetime.timedelta(minutes=3)
    assert found["archiver"]["state"] == "ok"
    assert backed_up.becomes_healthy()


def test_a_differential_backup_rests_on_the_full_one(backed_up):
    backed_up.ok("backup", "now", "--kind", "differential")
    newest = info(backed_up)["backups"][-1]
    assert newest["type"] == "diff"
    assert newest["label"].startswith(info(backed_up)["backups"][-2]["label"][:16])


def test_random_moments_under_load_are_restored_exactly(backed_up, measured):
    found = recovery.pitr(measured, points=3, load_seconds=20)
    assert found["acked"] > 500
    assert found["contradictions"] == 0
    assert [each for each in found["each_point"] if not each["exact"]] == []
    assert found["exact"] == 3


def test_a_restore_is_verified_by_everything_there_is_to_compare(backed_up):
    record = json.loads(backed_up.ok("verify-restore", "-o", "json"))
    assert record["result"] == "ok"
    assert [each for each in record["verified"] if each["result"] is not True] == []
    verified = " ".join(each["what"] for each in record["verified"])
    for what in ("canary", "page checksums", "WAL continuity", "invariant", "dump", "redis"):
        assert what in verified
    newest = info(backed_up)["newest_verified"]
    assert 0 <= newest["age_seconds"] < 300


@pytest.mark.parametrize("to", ["2001-01-01T00:00:00Z", "2099-01-01T00:00:00Z"])
def test_a_moment_outside_the_window_is_refused_with_the_window(backed_up, to):
    refused = backed_up.run("restore", "--to", to)
    assert refused.returncode == 2, refused.stdout + refused.stderr
    begin = moment(info(backed_up)["window"]["begin"])
    assert "window" in refused.stderr
    assert f"{begin:%H:%M:%S}" in refused.stderr


def test_a_table_that_was_dropped_comes_back_from_beside(backed_up, measured):
    with backed_up.connect() as connection:
        connection.execute("DROP TABLE IF EXISTS orders")
        connection.execute(
            "CREATE TABLE orders (id bigserial PRIMARY KEY, what text NOT NULL UNIQUE)"
        )
        connection.execute(
            "INSERT INTO orders (what) SELECT 'order ' || n FROM generate_series(1, 1000) n"
        )
        time.sleep(1)
        (there,) = connection.execute("SELECT clock_timestamp()").fetchone()
        time.sleep(1)
        connection.execute("DROP TABLE orders")
    recovery.wait_for_window(measured, there)
    backed_up.ok("restore", "--to", there.astimezone(UTC).isoformat())
    assert backed_up.ok("psql", "--side", "-Atc", "SELECT count(*) FROM orders").strip() == "1000"
    backed_up.ok("restore-table", "orders")
    with backed_up.connect() as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (1000,)
        # With what belongs to it: the key, the constraint and the sequence.
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO orders (what) VALUES ('order 1')")
        row = connection.execute("INSERT INTO orders (what) VALUES ('new') RETURNING id").fetchone()
        assert row[0] > 1000
    refused = backed_up.run("restore-table", "orders")
    assert refused.returncode == 2
    assert "--as" in refused.stderr
    backed_up.ok("restore", "--drop")
    with backed_up.connect() as connection:
        connection.execute("DROP TABLE orders")


# Harm.


def drill(stack, kind, *more):
    """The one run of a drill of the vault."""
    done = stack.run("drill", "vault", "--kind", kind, "--yes", "-o", "json", *more)
    assert done.returncode == 0, done.stderr
    [found] = json.loads(done.stdout)["kinds"]
    [run] = found["each_run"]
    assert (run["found"], run["recovered"], run["failure"]) == (True, True, None)
    return run


@pytest.mark.parametrize("kind", ["wrong-key", "truncated-dump", "missing-wal", "flipped-bit"])
def test_what_is_harmed_is_found_named_and_undone(backed_up, kind):
    run = drill(backed_up, kind)
    assert run["named"]
    assert run["failure_records"] == 1
    # Where a person looks as well.
    assert backed_up.status()["backup"]["last"]["restore-test"]["result"] == "ok"


def test_who_has_all_credentials_of_the_system_destroys_nothing_for_good(backed_up):
    run = drill(backed_up, "ransomware")
    assert run["objects_before"] > 10
    assert run["objects_damaged"] > 0
    assert run["objects_recovered"] == run["objects_before"]
    assert run["attempts"]
    assert run["refused"] == len(run["attempts"])


def test_commits_go_on_while_the_vault_is_away(backed_up):
    run = drill(backed_up, "away", "--hold", "20")
    assert run["acked_while_away"] > 500
    assert run["lost"] == 0
    assert run["peak_waiting_segments"] >= 1
    assert run["away_seconds"] >= 20
    assert run["arrived_seconds"] < 120
    assert backed_up.becomes_healthy(120)


def test_a_drill_of_the_vault_on_any_stack_but_the_local_one_must_be_meant(backed_up):
    refused = backed_up.run("drill", "vault", "--kind", "ransomware")
    assert refused.returncode == 2
    assert "--yes" in refused.stderr


# Secrets.


def test_no_secret_is_in_a_log_a_listing_a_record_or_an_output(backed_up):
    secrets = all_secrets(backed_up)
    seen = Seen(secrets)
    # While everything that handles them runs.
    busy = [
        backed_up.start("backup", "now", "--kind", "full"),
        backed_up.start("backup", "now", "--kind", "logical"),
        backed_up.start("verify-restore", "-o", "json"),
    ]
    stopping = threading.Event()
    watcher = threading.Thread(target=watch, args=(backed_up, seen, stopping))
    watcher.start()
    try:
        for process in busy:
            said, _ = process.communicate(timeout=600)
            assert process.returncode == 0, said
            seen.look("its own output", said)
    finally:
        stopping.set()
        watcher.join()
        for process in busy:
            process.kill()
    assert seen.looks["process list"] > 3
    for words in (
        ("backup", "list", "-o", "json"),
        ("backup", "info", "-o", "json"),
        ("backup", "key"),
        ("status", "-o", "json"),
        ("restore", "--to", "2001-01-01T00:00:00Z"),
        ("verify-restore", "--at", "nonsense"),
    ):
        done = backed_up.run(*words)
        seen.look(" ".join(words), done.stdout + done.stderr)
    for name, container in backed_up.containers().items():
        seen.look(f"log of {name}", container.logs().decode(errors="replace"))
        # Environment, command and labels among it.
        seen.look(f"inspection of {name}", json.dumps(container.attrs))
    records = "cat /var/lib/backup/*.jsonl /var/lib/backup/*.json 2> /dev/null"
    for name in SERVICE:
        container = backed_up.containers("server")[name]
        text = container.exec_run(["sh", "-c", records]).output.decode(errors="replace")
        seen.look(f"records of {name}", text)
    kept = backed_up.containers("server")["backup-1"].exec_run(
        ["backup-service", "records", "--json"]
    )
    assert b"restore-test" in kept.output
    seen.look("records of the vault", kept.output.decode(errors="replace"))
    assert seen.found == []


class Seen:
    """Texts that were looked through, and which of them had a secret in it."""

    def __init__(self, secrets):
        self.secrets = secrets
        self.found = []
        self.looks = {}

    def look(self, where, text):
        self.looks[where.split(" of ")[0]] = self.looks.get(where.split(" of ")[0], 0) + 1
        # By its name alone: a failed test's output is a log as well.
        self.found += [(where, name) for name, secret in self.secrets.items() if secret in text]


def all_secrets(stack):
    """{a name: what must not be seen} of the state, and of the vault's credentials inside."""
    secrets = {f"secret {number}": each for number, each in enumerate(stack.secrets())}
    assert len(secrets) > 15
    for name in SERVICE:
        for file in CREDENTIALS:
            said = stack.containers("server")[name].exec_run(["cat", f"/etc/selfmonitor/{file}"])
            if said.exit_code == 0:
                secrets[f"{file} of {name}"] = json.loads(said.output)["secret_key"]
    for key, value in stack.outputs()["backup_keys"].items():
        secrets[f"key {key}"] = value
    assert not [name for name, secret in secrets.items() if len(secret) < 12]
    return secrets


def watch(stack, seen, stopping):
    """Looks at every process of every server, again and again."""
    while not stopping.is_set():
        for name, container in stack.containers("server").items():
            try:
                listed = json.dumps(container.top()["Processes"])
                inside = container.exec_run(["sh", "-c", PROCESSES]).output.decode(errors="replace")
            except Exception:  # noqa: BLE001 - one that restarts is looked at the next time
                continue
            seen.look(f"process list of {name}", listed)
            seen.look(f"environment of {name}", inside)


def test_a_key_is_shown_only_when_it_is_asked_for(backed_up):
    keys = backed_up.outputs()["backup_keys"]
    assert set(keys) == {"repository", "logical"}
    revealed = backed_up.ok("backup", "key", "--reveal")
    assert [name for name, key in keys.items() if key not in revealed] == []


def test_what_is_in_the_vault_cannot_be_read_without_the_key(backed_up):
    """The volume's files, as whoever carries the disk away has them."""
    volume = f"selfmonitor-{backed_up.name}-vault-1-data"
    canary = "a-sentence-that-is-in-no-other-file"
    with backed_up.connect() as connection:
        connection.execute("CREATE TABLE sentences (sentence text)")
        connection.execute(
            "INSERT INTO sentences SELECT %s FROM generate_series(1, 1000)", (canary,)
        )
    try:
        for kind in ("full", "logical"):
            backed_up.ok("backup", "now", "--kind", kind)
        # Neither as it is, nor after any decompression: encrypted data does not compress.
        script = f"grep -rl {canary} /files | head; find /files -type f | wc -l"
        status, said = backed_up.probe(script, network=None, volumes=[volume])
    finally:
        with backed_up.connect() as connection:
            connection.execute("DROP TABLE sentences")
    assert status == 0
    assert int(said.split()[-1]) > 10
    assert canary not in said
    assert len(said.split()) == 1


def test_a_second_run_of_the_same_kind_is_refused_while_one_is_under_way(backed_up):
    first = backed_up.start("backup", "now", "--kind", "full")
    try:
        second = backed_up.run("backup", "now", "--kind", "full")
    finally:
        said, _ = first.communicate(timeout=600)
    # Whichever was first.
    assert sorted((first.returncode, second.returncode)) == [0, 1]
    assert "is running" in (second.stderr if second.returncode else said)
