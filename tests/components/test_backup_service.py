"""Who makes, copies, proves and restores backups: each with the least it needs."""

import json
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from backup_service.settings import Settings, parse

IMAGE = Path(__file__).resolve().parents[2] / "images" / "backup"
SERVERS = ("backup-1", "replication-1", "restore-test-1", "side-1")
CERTIFICATE = {"ca.crt", "tls.crt", "tls.key"}
# Whose file a secret is, by what tells it apart wherever it stands.
SECRETS = {
    "vault writer": "vault-password-writer",
    "vault reader": "vault-password-reader",
    "vault tester": "vault-password-tester",
    "copy writer": "vault-copy-password-writer",
    "copy reader": "vault-copy-password-reader",
    "key of the repository": "vault-key-password-repository",
    "key of the dumps": "vault-key-password-logical",
    "postgres backup": "postgres-password-backup",
    "redis backup": "redis-password-backup",
    "redis restore": "redis-password-restore",
}


def files(recording: Any, member: str) -> dict[str, str]:
    """{name: content} of what a member gets."""
    uploads = recording.named("Container", f"{member}-files").inputs["uploads"]
    return {each["file"].rpartition("/")[2]: str(each["content"]) for each in uploads}


def held(recording: Any, member: str) -> set[str]:
    """Which of the secrets of backups are anywhere in what a member gets."""
    text = "\n".join(files(recording, member).values())
    return {name for name, made in SECRETS.items() if str(recording.values[made]["result"]) in text}


def settings(recording: Any, member: str) -> Settings:
    return parse(json.loads(recording.file(member, "backup.json")))


def networks(recording: Any, member: str) -> set[str]:
    inputs = recording.named("Container", member).inputs
    return {each["name"].rpartition("-")[2] for each in inputs["networksAdvanced"]}


def peers(recording: Any, member: str) -> set[str]:
    return {each["host"] for each in recording.named("Container", member).inputs["hosts"]} - {
        member
    }


def test_backups_and_restores_give_way_and_what_carries_wal_does_not(local: Any) -> None:
    share = {
        name: local.named("Container", name).inputs.get("cpuShares")
        for name in (*SERVERS, "vault-1", "vault-copy-1", "postgres-1")
    }
    assert {name for name, each in share.items() if each} == {
        "backup-1",
        "restore-test-1",
        "side-1",
    }


# Who holds what


@pytest.mark.parametrize(
    ("member", "secrets", "names"),
    [
        (
            "backup-1",
            {
                *("vault writer", "key of the repository", "key of the dumps"),
                *("postgres backup", "redis backup"),
            },
            {
                *("vault.credentials.json", "pgbackrest.conf", "logical.key"),
                *("postgres.password", "redis.password"),
            },
        ),
        (
            "replication-1",
            {"vault reader", "copy writer"},
            {"vault.credentials.json", "copy.credentials.json"},
        ),
        (
            "restore-test-1",
            {"vault tester", "key of the repository", "key of the dumps"},
            {"vault.credentials.json", "pgbackrest.conf", "logical.key"},
        ),
        (
            "side-1",
            {"vault tester", "key of the repository"},
            {"vault.credentials.json", "pgbackrest.conf"},
        ),
    ],
)
def test_each_part_holds_what_it_needs_and_nothing_else(
    local: Any, member: str, secrets: set[str], names: set[str]
) -> None:
    assert held(local, member) == secrets
    assert files(local, member).keys() == CERTIFICATE | {"backup.json"} | names


def test_a_member_of_postgresql_writes_the_repository_and_reads_no_dump(local: Any) -> None:
    for member in ("postgres-1", "postgres-2", "postgres-3"):
        assert held(local, member) == {"vault writer", "key of the repository"}


def test_nobody_else_holds_anything_of_backups(local: Any) -> None:
    expected = {"backup-1", "replication-1", "restore-test-1", "side-1", "vault-1", "vault-copy-1"}
    expected |= {"postgres-1", "postgres-2", "postgres-3"}
    # The job makes the role, with its password.
    expected.add("provision-1")
    assert {each.name for each in local.servers if held(local, each.name)} == expected
    assert held(local, "provision-1") == {"postgres backup"}


def test_who_copies_cannot_read_what_it_copies_nor_change_what_it_reads(local: Any) -> None:
    found = held(local, "replication-1")
    assert not {each for each in found if each.startswith("key")}
    assert "vault writer" not in found
    assert "pgbackrest.conf" not in files(local, "replication-1")


def test_what_writes_the_first_vault_cannot_reach_the_second(local: Any) -> None:
    for each in local.servers:
        found = held(local, each.name)
        if "vault writer" in found and not each.name.startswith("vault"):
            assert not {"copy writer", "copy reader"} & found, each.name
            assert "remote" not in networks(local, each.name), each.name


def test_credentials_name_the_identity_they_are_of(local: Any) -> None:
    for member, file, identity, made in (
        ("backup-1", "vault", "writer", "vault-password-writer"),
        ("replication-1", "vault", "reader", "vault-password-reader"),
        ("replication-1", "copy", "writer", "vault-copy-password-writer"),
        ("restore-test-1", "vault", "tester", "vault-password-tester"),
        ("side-1", "vault", "tester", "vault-password-tester"),
    ):
        assert json.loads(local.file(member, f"{file}.credentials.json")) == {
            "access_key": identity,
            "secret_key": local.values[made]["result"],
        }


# Where each is


@pytest.mark.parametrize(
    ("member", "segments", "talks_to"),
    [
        (
            "backup-1",
            {"backup", "cache"},
            {f"{name}-{n}" for name in ("postgres", "redis") for n in (1, 2, 3)} | {"vault-1"},
        ),
        ("replication-1", {"backup", "remote"}, {"vault-1", "vault-copy-1"}),
        ("restore-test-1", {"restore"}, {"vault-1"}),
        ("side-1", {"access", "restore"}, {"vault-1", "router-1", "router-2"}),
    ],
)
def test_each_part_is_where_those_are_to_whom_it_talks(
    local: Any, member: str, segments: set[str], talks_to: set[str]
) -> None:
    assert networks(local, member) == segments
    assert peers(local, member) == talks_to


def test_a_name_means_an_address_in_a_network_both_are_in(local: Any) -> None:
    addresses = {
        each.name: {n["ipv4Address"]: n["name"] for n in each.inputs["networksAdvanced"]}
        for each in local.servers
    }
    for member in SERVERS:
        own = set(addresses[member].values())
        for host in local.named("Container", member).inputs["hosts"]:
            assert addresses[host["host"]][host["ip"]] in own


def test_the_side_instance_publishes_one_port_and_no_other_part_any(local: Any) -> None:
    for member in SERVERS:
        ports = local.named("Container", member).inputs.get("ports") or []
        found = [(p["internal"], p["external"], p["ip"]) for p in ports]
        assert found == ([(5432, 5440, "127.0.0.1")] if member == "side-1" else [])


def test_the_side_port_and_the_memory_are_the_stack_files(other: Any) -> None:
    (port,) = other.named("Container", "side-1").inputs["ports"]
    assert (port["internal"], port["external"]) == (5432, 7777)
    memory = {each: other.named("Container", each).inputs["memory"] for each in SERVERS}
    # A whole server runs where something is restored.
    assert memory == {
        "backup-1": 900,
        "replication-1": 900,
        "restore-test-1": 1800,
        "side-1": 1800,
    }


def test_clients_of_the_side_instance_can_verify_where_they_are(
    run_program: Callable[..., Any],
) -> None:
    found = run_program(configuration={"selfmonitor:bind_address": "192.168.7.9"})
    certificate = x509.load_pem_x509_certificate(found.file("side-1", "tls.crt").encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {*names.get_values_for_type(x509.DNSName)} == {"side-1", "side", "localhost"}
    addresses = {ip_address("127.0.0.1"), ip_address("192.168.7.9")}
    assert {*names.get_values_for_type(x509.IPAddress)} == addresses


# What each runs


@pytest.mark.parametrize("member", SERVERS)
def test_each_part_runs_the_processes_the_image_has_for_it(local: Any, member: str) -> None:
    inputs = local.named("Container", member).inputs
    supervise, path = inputs["command"]
    assert supervise == "/usr/local/bin/supervise"
    file = IMAGE / path.removeprefix("/usr/local/share/selfmonitor/")
    assert json.loads(file.read_text())["processes"]
    assert inputs["healthcheck"]["tests"] == [
        *("CMD", "/usr/local/bin/paced-probe", "12"),
        *("/usr/local/bin/ready", member.rpartition("-")[0]),
    ]


@pytest.mark.parametrize("member", SERVERS)
def test_each_part_keeps_what_it_knows_on_a_volume(local: Any, member: str) -> None:
    volumes = local.named("Container", member).inputs["volumes"]
    (data,) = [each for each in volumes if each["volumeName"].endswith("-data")]
    assert data["containerPath"] == "/var/lib/backup"


@pytest.mark.parametrize("member", SERVERS)
def test_each_part_reads_its_settings_as_they_are_written(local: Any, member: str) -> None:
    found = settings(local, member)
    assert (found.stack, found.stanza) == ("local", "main")
    assert found.vault.endpoint == "https://vault-1:7070"
    assert (found.vault.bucket, found.vault.region) == ("selfmonitor-local", "local-1")
    assert found.vault.ca == "/etc/selfmonitor/ca.crt"
    assert found.postgres.members == ("postgres-1", "postgres-2", "postgres-3")
    assert [(each.name, each.owner) for each in found.postgres.databases] == [
        ("db_user_profile", "user")
    ]
    assert found.redis.members == {f"redis-{n}": f"10.87.1.{79 + n}" for n in (1, 2, 3)}
    assert (found.postgres.port, found.redis.port) == (5432, 6379)
    assert found.schedules == {
        "full": "0 1 * * 0",
        "differential": "0 1 * * 1-6",
        "logical": "0 2 * * *",
        "redis": "30 2 * * *",
        "restore-test": "0 4 * * *",
    }
    assert (found.retention_days, found.canary_seconds) == (30, 5)
    assert found.journal_seconds < 60, "what a restore test compares with is not older"
    assert found.side is not None
    assert found.side.port == 5432


def test_only_who_copies_knows_where_the_copy_is(local: Any, one_region: Any) -> None:
    for member in SERVERS:
        found = settings(local, member).copy
        if member != "replication-1":
            assert found is None
    copy = settings(local, "replication-1").copy
    assert copy is not None
    assert (copy.endpoint, copy.bucket, copy.region) == (
        *("https://vault-copy-1:7070", "selfmonitor-local-copy", "local-2"),
    )
    assert settings(one_region, "backup-1") == settings(local, "backup-1")


def test_schedules_and_invariants_are_the_stack_files(other: Any) -> None:
    invariant = {"name": "sums", "database": "shop", "sql": "SELECT count(*) > 0"}
    for member in SERVERS:
        found = settings(other, member)
        assert (found.schedules["restore-test"], found.schedules["full"]) == (
            *("5 5 * * *", "0 0 * * 3"),
        )
        assert [vars(each) for each in found.invariants] == [invariant]
        assert found.canary_seconds == 7


# Jobs of a recovery


def test_jobs_of_a_recovery_are_there_with_one_alone(local: Any, recovered: dict[str, Any]) -> None:
    there = {each.name for each in local.servers}
    assert {each.name for each in recovered["vault"].servers} - there == {"load-redis-1"}
    assert {each.name for each in recovered["copy"].servers} - there == {"load-redis-1", "seed-1"}


def test_every_job_reads_its_settings_as_they_are_written(recovered: dict[str, Any]) -> None:
    copy = recovered["copy"]
    assert settings(copy, "load-redis-1").redis.members.keys() == {"redis-1", "redis-2", "redis-3"}
    seed = settings(copy, "seed-1")
    assert seed.vault.endpoint == "https://vault-1:7070"
    assert seed.copy is not None
    assert seed.copy.endpoint == "https://vault-copy-1:7070"
    assert seed.postgres.members == ()


@pytest.mark.parametrize("source", ["vault", "copy"])
def test_who_fills_redis_reads_the_vault_and_may_nothing_but_put_back(
    recovered: dict[str, Any], source: str
) -> None:
    stack = recovered[source]
    assert held(stack, "load-redis-1") == {"vault reader", "key of the dumps", "redis restore"}
    assert networks(stack, "load-redis-1") == {"backup", "cache"}
    assert peers(stack, "load-redis-1") == {"vault-1", "redis-1", "redis-2", "redis-3"}
    inputs = stack.named("Container", "load-redis-1").inputs
    assert inputs["command"] == ["/usr/local/bin/backup-service", "load-redis"]
    assert (inputs["restart"], inputs["mustRun"]) == ("no", False)
    # What it has decrypted goes with it.
    assert not [v for v in inputs["volumes"] if v["volumeName"].endswith("-data")]
    assert "/var/lib/backup" in inputs["tmpfs"]


def test_whoever_loads_a_snapshot_of_redis_has_room_for_it(run_program: Callable[..., Any]) -> None:
    stack = run_program(
        configuration={
            "selfmonitor:recovery": "{}",
            "selfmonitor:redis": '{"memory_mib": 4096, "maxmemory_mib": 3000}',
        }
    )
    inputs = stack.named("Container", "load-redis-1").inputs
    # The file and the server's own copy; memory-backed space counts as memory.
    assert inputs["memory"] > 2 * 3000
    assert "size=3064m" in inputs["tmpfs"]["/tmp"].split(",")
    assert stack.named("Container", "restore-test-1").inputs["memory"] > 3000


def test_snapshots_of_the_redis_that_is_filled_are_passed_over(
    run_program: Callable[..., Any],
) -> None:
    recovery = {"redis_before": "2026-11-24T09:00:00Z"}
    stack = run_program(configuration={"selfmonitor:recovery": json.dumps(recovery)})
    assert stack.named("Container", "load-redis-1").inputs["command"] == [
        *("/usr/local/bin/backup-service", "load-redis", "--before", "2026-11-24T09:00:00Z")
    ]
    recovery = {"redis": False, "redis_before": "2026-11-24T09:00:00Z"}
    stack = run_program(configuration={"selfmonitor:recovery": json.dumps(recovery)})
    assert "load-redis-1" not in {each.name for each in stack.servers}


def test_redis_is_filled_once_it_is_there(recovered: dict[str, Any]) -> None:
    requests = {each.urn: each for each in recovered["vault"].requests}
    direct = {
        requests[urn].name
        for urn in recovered["vault"].named("Container", "load-redis-1").dependencies
        if urn in requests
    }
    assert {"redis-1", "redis-2", "redis-3"} <= direct


def test_nobody_but_the_jobs_holds_more_in_a_recovery(
    local: Any, recovered: dict[str, Any]
) -> None:
    for stack in recovered.values():
        for each in local.servers:
            assert held(stack, each.name) == held(local, each.name), each.name
