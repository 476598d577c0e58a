"""Where backups are kept: who may come in as what, and what a client of it is told."""

import configparser
import json
import re
from typing import Any

import pytest

MEMBERS = ("postgres-1", "postgres-2", "postgres-3")
VAULTS = ("vault-1", "vault-copy-1")
READERS = ("restore-test-1", "side-1")


def files(recording: Any, member: str) -> dict[str, str]:
    """{name: content} of what a member gets."""
    uploads = recording.named("Container", f"{member}-files").inputs["uploads"]
    return {each["file"].rpartition("/")[2]: str(each["content"]) for each in uploads}


def password(recording: Any, name: str) -> str:
    return str(recording.values[name]["result"])


def before(recording: Any, member: str) -> set[str]:
    """Names of all that is there before a member starts."""
    requests = {each.urn: each for each in recording.requests}
    found: set[str] = set()
    waiting = [recording.named("Container", member)]
    while waiting:
        for urn in waiting.pop().dependencies:
            if urn in requests and requests[urn].name not in found:
                found.add(requests[urn].name)
                waiting.append(requests[urn])
    return found


# The vaults themselves


def told(recording: Any, vault: str) -> dict[str, Any]:
    """What a vault is told, but for what its users may do."""
    found: dict[str, Any] = json.loads(recording.file(vault, "vault.json"))
    del found["policies"]
    return found


def test_a_vault_is_told_its_bucket_its_region_and_for_how_long_nothing_is_deleted(
    local: Any, other: Any
) -> None:
    common = {"port": 7070, "lock_days": 38}
    assert [told(local, each) for each in VAULTS] == [
        {"bucket": "selfmonitor-local", "region": "local-1", **common},
        {"bucket": "selfmonitor-local-copy", "region": "local-2", **common},
    ]
    assert [told(other, each) for each in VAULTS] == [
        {"bucket": "selfmonitor-shop", "region": "eu-1", "port": 7070, "lock_days": 20},
        {"bucket": "selfmonitor-shop-copy", "region": "eu-2", "port": 7070, "lock_days": 20},
    ]


def actions(recording: Any, vault: str, identity: str) -> dict[str, set[str]]:
    """{what is acted on, relative to the bucket: what an identity may do with it}."""
    found: dict[str, set[str]] = {}
    statements = json.loads(recording.file(vault, "vault.json"))["policies"][identity]
    for each in statements:
        assert each.keys() == {"Action", "Resource"}
        found.setdefault(each["Resource"], set()).update(each["Action"])
    return found


WHOLE = [("vault-1", "writer"), ("vault-1", "reader"), ("vault-1", "tester")]
WHOLE += [("vault-copy-1", "writer"), ("vault-copy-1", "reader")]


@pytest.mark.parametrize("vault", VAULTS)
def test_each_user_of_a_vault_has_a_policy_and_nobody_else(local: Any, vault: str) -> None:
    policies = json.loads(local.file(vault, "vault.json"))["policies"]
    assert policies.keys() == json.loads(local.file(vault, "identities.json")).keys()


@pytest.mark.parametrize(("vault", "identity"), WHOLE)
def test_nobody_deletes_a_version_or_lifts_a_lock(local: Any, vault: str, identity: str) -> None:
    """Deleting leaves a marker, and the version below it."""
    allowed = set().union(*actions(local, vault, identity).values())
    assert all(re.fullmatch(r"s3:[A-Z][A-Za-z]+", each) for each in allowed), "no pattern"
    changing = {each for each in allowed if not each.startswith(("s3:Get", "s3:List"))}
    assert changing <= {"s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"}


@pytest.mark.parametrize(("vault", "identity"), WHOLE)
def test_everybody_reads_and_writes_only_where_the_work_is(
    local: Any, vault: str, identity: str
) -> None:
    found = actions(local, vault, identity)
    assert {"s3:GetObject", "s3:GetObjectVersion"} <= found["/*"]
    assert {"s3:ListBucket", "s3:ListBucketVersions"} <= found[""]
    writes = {place for place, allowed in found.items() if "s3:PutObject" in allowed}
    assert writes == {"writer": {"/*"}, "reader": set(), "tester": {"/records/*"}}[identity]
    assert {place for place, allowed in found.items() if "s3:DeleteObject" in allowed} == writes


def test_a_vault_knows_its_own_users_and_no_other_vaults(local: Any) -> None:
    for vault, identities in (
        ("vault", ("writer", "reader", "tester")),
        ("vault-copy", ("writer", "reader")),
    ):
        assert json.loads(local.file(f"{vault}-1", "identities.json")) == {
            each: password(local, f"{vault}-password-{each}") for each in identities
        }


def test_a_vault_is_given_no_key_to_read_what_it_keeps(local: Any) -> None:
    keys = [password(local, f"vault-key-password-{key}") for key in ("repository", "logical")]
    for vault in VAULTS:
        assert files(local, vault).keys() == {
            *("ca.crt", "tls.crt", "tls.key", "vault.json", "identities.json")
        }
        for text in files(local, vault).values():
            assert not [key for key in keys if key in text]


def test_an_administrator_of_a_vault_exists_in_no_container(local: Any) -> None:
    """The only users are those of the identities: whoever could lift a lock has no password."""
    made = {name for name in local.values if name.startswith("vault-") and "password" in name}
    names = {name.rpartition("-")[2] for name in made}
    assert names == {"writer", "reader", "tester", "repository", "logical"}


def test_a_vault_keeps_its_objects_on_a_volume_and_its_users_in_memory(local: Any) -> None:
    for vault in VAULTS:
        inputs = local.named("Container", vault).inputs
        (data,) = [v for v in inputs["volumes"] if v["volumeName"].endswith("-data")]
        assert (data["containerPath"], data["readOnly"]) == ("/var/lib/vault", False)
        assert {"/run/vault", "/tmp"} == inputs["tmpfs"].keys()
        assert inputs["readOnly"] is True


def test_a_vault_publishes_no_port_and_talks_to_nobody(local: Any) -> None:
    for vault in VAULTS:
        inputs = local.named("Container", vault).inputs
        assert not inputs.get("ports")
        assert [each["host"] for each in inputs["hosts"]] == [vault]


def test_a_vaults_memory_is_the_stack_files(other: Any) -> None:
    for vault in VAULTS:
        assert other.named("Container", vault).inputs["memory"] == 333


# Without a second region


def test_without_a_second_region_there_is_no_copy_and_nobody_who_makes_one(
    local: Any, one_region: Any
) -> None:
    gone = {each.name for each in local.servers} - {each.name for each in one_region.servers}
    assert gone == {"vault-copy-1", "replication-1"}
    assert {each.inputs["name"] for each in one_region.of("Network")} == {
        f"selfmonitor-local-{each}" for each in ("data", "cache", "backup", "restore", "access")
    }
    assert not [name for name in one_region.values if "copy" in name]
    assert "replication-key" not in one_region.values


def test_a_second_region_more_or_less_leaves_every_other_server_alone(
    local: Any, one_region: Any
) -> None:
    there = {each.urn: each.raw for each in local.requests}
    assert [each.name for each in one_region.requests if there[each.urn] != each.raw] == []


# What a client of the repository is told


def pgbackrest(recording: Any, member: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",), strict=True)
    parser.read_string(recording.file(member, "pgbackrest.conf"))
    return parser


@pytest.mark.parametrize(
    ("member", "identity"),
    [
        *((member, "writer") for member in (*MEMBERS, "backup-1")),
        *((member, "tester") for member in READERS),
    ],
)
def test_everybody_finds_the_repository_as_who_they_are(
    local: Any, member: str, identity: str
) -> None:
    found = pgbackrest(local, member)["global"]
    expected = {
        "repo1-type": "s3",
        "repo1-path": "/pgbackrest",
        "repo1-s3-bucket": "selfmonitor-local",
        "repo1-s3-endpoint": "vault-1",
        "repo1-storage-port": "7070",
        "repo1-s3-region": "local-1",
        "repo1-s3-uri-style": "path",
        "repo1-s3-key": identity,
        "repo1-s3-key-secret": password(local, f"vault-password-{identity}"),
        "repo1-storage-ca-file": "/etc/selfmonitor/ca.crt",
        "repo1-storage-verify-tls": "y",
    }
    assert {key: found[key] for key in expected} == expected
    names = {each["host"] for each in local.named("Container", member).inputs["hosts"]}
    assert "vault-1" in names, "found without asking anybody"


@pytest.mark.parametrize("member", [*MEMBERS, "backup-1", *READERS])
def test_what_is_written_is_encrypted_before_it_leaves(local: Any, member: str) -> None:
    found = pgbackrest(local, member)["global"]
    assert found["repo1-cipher-type"] == "aes-256-cbc"
    assert found["repo1-cipher-pass"] == password(local, "vault-key-password-repository")


@pytest.mark.parametrize("member", [*MEMBERS, "backup-1", *READERS])
def test_nothing_of_it_is_logged_to_a_file(local: Any, member: str) -> None:
    found = pgbackrest(local, member)["global"]
    assert (found["log-level-file"], found["log-level-stderr"]) == ("off", "off")


def test_backups_rotate_by_age_as_the_stack_file_says(other: Any) -> None:
    options = pgbackrest(other, "backup-1")["global"]
    assert options["repo1-retention-full-type"] == "time"
    assert options["repo1-retention-full"] == "12"


def test_the_wait_for_a_peer_is_longer_than_for_the_database(local: Any) -> None:
    """As pgBackRest demands."""
    for member in (*MEMBERS, "backup-1", *READERS):
        found = pgbackrest(local, member)["global"]
        assert int(found["protocol-timeout"]) > int(found["db-timeout"]) > int(found["io-timeout"])


@pytest.mark.parametrize("member", MEMBERS)
def test_a_member_serves_its_files_to_the_backup_service_alone(local: Any, member: str) -> None:
    found = pgbackrest(local, member)
    options = found["global"]
    assert options["tls-server-port"] == "8432"
    assert options["tls-server-auth"] == "backup=main"
    for key, file in (("ca", "ca.crt"), ("cert", "tls.crt"), ("key", "tls.key")):
        assert options[f"tls-server-{key}-file"] == f"/etc/selfmonitor/{file}"
    assert dict(found["main"]) == {
        "pg1-path": "/var/lib/postgresql/17/main",
        "pg1-port": "5432",
        "pg1-socket-path": "/run/postgresql",
    }
    # Wal on its way survives the container.
    assert options["spool-path"].startswith("/var/lib/postgresql/")
    assert "backup-standby" not in options


def test_the_name_that_lets_read_a_members_files_is_in_one_certificate_alone(local: Any) -> None:
    bearers = [
        each.name
        for each in local.of("CertRequest")
        if each.inputs["subject"]["commonName"] == "backup"
    ]
    assert bearers == ["backup-request"]
    holders = [
        member.name
        for member in local.servers
        if local.values["backup-key"]["privateKeyPem"] in files(local, member.name).values()
    ]
    assert holders == ["backup-1"]


def test_the_backup_service_knows_every_member_and_prefers_to_read_from_a_standby(
    other: Any,
) -> None:
    found = pgbackrest(other, "backup-1")
    assert found["global"]["backup-standby"] == "prefer"
    assert not [key for key in found["global"] if key.startswith("tls-server")]
    main = dict(found["main"])
    for n in range(1, 6):
        assert {
            key.partition("-")[2]: main.pop(key) for key in list(main) if key.startswith(f"pg{n}-")
        } == {
            "host": f"postgres-{n}",
            "host-type": "tls",
            "host-port": "8432",
            "host-config": "/etc/selfmonitor/pgbackrest.conf",
            "host-ca-file": "/etc/selfmonitor/ca.crt",
            "host-cert-file": "/etc/selfmonitor/tls.crt",
            "host-key-file": "/etc/selfmonitor/tls.key",
            "path": "/var/lib/postgresql/17/main",
            "port": "5432",
            "socket-path": "/run/postgresql",
        }
    assert main == {}


@pytest.mark.parametrize("member", READERS)
def test_who_restores_knows_no_member_and_serves_nobody(local: Any, member: str) -> None:
    found = pgbackrest(local, member)
    assert dict(found["main"]) == {}
    keys = [*found["global"]]
    assert not [key for key in keys if key.startswith(("tls-server", "pg", "backup-standby"))]
    assert found["global"]["spool-path"].startswith("/var/lib/backup/")


def test_archiving_logs_only_what_goes_wrong(local: Any) -> None:
    for member in MEMBERS:
        found = pgbackrest(local, member)["global:archive-push"]
        assert dict(found) == {"log-level-console": "warn"}


# What a stack begins with


def test_a_stack_begins_empty_and_says_so(local: Any) -> None:
    for member in MEMBERS:
        assert json.loads(local.file(member, "recovery.json")) == {"from": "nothing", "to": None}
    assert not {"seed-1", "load-redis-1"} & {each.name for each in local.servers}


@pytest.mark.parametrize("source", ["vault", "copy"])
def test_a_recovery_says_to_each_member_up_to_where(recovered: Any, source: str) -> None:
    for member in MEMBERS:
        assert json.loads(recovered[source].file(member, "recovery.json")) == {
            "from": "vault",
            "to": "2026-11-23T01:02:03Z",
        }


def test_members_start_after_the_vault_and_from_the_copy_after_the_vault_is_filled(
    local: Any, recovered: dict[str, Any]
) -> None:
    for recording in (local, *recovered.values()):
        assert "vault-1" in before(recording, "postgres-1")
    assert "seed-1" not in {each.name for each in recovered["vault"].servers}
    copy = recovered["copy"]
    assert {"vault-1", "vault-copy-1"} <= before(copy, "seed-1")
    # Whoever uses the vault finds it filled.
    for name in (*MEMBERS, "backup-1", "replication-1", "load-redis-1", *READERS):
        assert "seed-1" in before(copy, name), name


def test_the_job_that_fills_a_vault_reads_the_copy_writes_the_vault_and_has_no_key(
    recovered: dict[str, Any],
) -> None:
    copy = recovered["copy"]
    found = files(copy, "seed-1")
    assert found.keys() == {
        *("ca.crt", "backup.json", "vault.credentials.json", "copy.credentials.json")
    }
    assert json.loads(found["vault.credentials.json"]) == {
        "access_key": "writer",
        "secret_key": password(copy, "vault-password-writer"),
    }
    assert json.loads(found["copy.credentials.json"]) == {
        "access_key": "reader",
        "secret_key": password(copy, "vault-copy-password-reader"),
    }
    inputs = copy.named("Container", "seed-1").inputs
    assert inputs["command"] == ["/usr/local/bin/backup-service", "seed"]
    assert inputs["waitTimeout"] > 3600, "it may have all there is to copy"
    assert inputs["mustRun"] is False
    assert {each["host"] for each in inputs["hosts"]} == {"seed-1", "vault-1", "vault-copy-1"}
