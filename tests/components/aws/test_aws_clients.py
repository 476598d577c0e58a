"""What the programs are told that use a vault on AWS: no key, and no certificate of the stack's."""

import configparser
import json
from collections.abc import Callable
from typing import Any

import pytest

from backup_service.settings import Settings, VaultAddress, parse

ROLE = "arn:aws:iam::123456789012:role/selfmonitor-production-"
ROLES = {
    "postgres": "writer",
    "backup": "writer",
    "restore-test": "tester",
    "side": "tester",
    "replication": "follower",
}


def pgbackrest(found: Any, workload: str) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",), strict=True)
    parser.read_string(found.workload(workload)["secretFiles"]["pgbackrest.conf"])
    return dict(parser["global"])


def told(found: Any, workload: str) -> Settings:
    return parse(json.loads(found.workload(workload)["files"]["backup.json"]))


@pytest.mark.parametrize("workload", ["postgres", "backup", "restore-test", "side"])
def test_pgbackrest_takes_the_role_on_and_says_which_key(declared: Any, workload: str) -> None:
    found = pgbackrest(declared, workload)
    assert {key: value for key, value in found.items() if key.startswith("repo1-s3")} == {
        "repo1-s3-bucket": "acme-ledger-vault",
        "repo1-s3-endpoint": "s3.eu-west-2.amazonaws.com",
        "repo1-s3-region": "eu-west-2",
        "repo1-s3-uri-style": "host",
        "repo1-s3-key-type": "web-id",
        "repo1-s3-kms-key-id": declared.key_arn("vault-aws-first-key"),
    }
    assert found["repo1-storage-port"] == "443"
    assert found["repo1-storage-verify-tls"] == "y"
    assert "repo1-storage-ca-file" not in found, "those that every system trusts"
    # What AWS encrypts was encrypted before.
    assert found["repo1-cipher-type"] == "aes-256-cbc"


@pytest.mark.parametrize(("workload", "role"), ROLES.items())
def test_each_program_takes_its_own_role_on(declared: Any, workload: str, role: str) -> None:
    environment = declared.workload(workload)["environment"]
    assert {key: value for key, value in environment.items() if key.startswith("AWS")} == {
        "AWS_ROLE_ARN": ROLE + role,
        "AWS_WEB_IDENTITY_TOKEN_FILE": ("/var/run/secrets/eks.amazonaws.com/serviceaccount/token"),
        "AWS_DEFAULT_REGION": "eu-west-2",
        "AWS_STS_REGIONAL_ENDPOINTS": "regional",
    }


def test_nobody_else_takes_one_on(declared: Any) -> None:
    for each in declared.recording.of("Workload"):
        if each.name not in ROLES:
            assert not [key for key in each.inputs["environment"] if key.startswith("AWS")]


def test_nobody_holds_a_key_of_the_vault(declared: Any) -> None:
    for each in declared.recording.of("Workload"):
        assert not [name for name in each.inputs["secretFiles"] if "credentials" in name]
        assert "vault" not in each.inputs["talksTo"]
    assert not [name for name in declared.recording.values if name.startswith("vault-password")]


def test_the_service_finds_both_buckets_by_their_own_names(declared: Any) -> None:
    found = told(declared, "replication")
    assert found.vault == VaultAddress(
        "https://s3.eu-west-2.amazonaws.com", "eu-west-2", "acme-ledger-vault", None, "virtual"
    )
    assert found.copy == VaultAddress(
        "https://s3.eu-west-1.amazonaws.com",
        "eu-west-1",
        "acme-ledger-vault-copy",
        None,
        "virtual",
    )


def test_s3_makes_the_copy_and_the_service_watches_it(declared: Any) -> None:
    assert not told(declared, "replication").copies
    assert told(declared, "backup").copies, "of no meaning where there is no copy"


def test_the_copy_of_an_embedded_vault_is_the_services_work(local: Any) -> None:
    found = json.loads(local.file("replication-1", "backup.json"))
    assert "copied_by" not in found
    assert parse(found).copies


def test_redis_is_filled_by_a_reader(run_aws: Callable[..., Any]) -> None:
    found = run_aws(recovery="vault")
    assert found.workload("load-redis")["environment"]["AWS_ROLE_ARN"] == ROLE + "reader"
    assert {each.name for each in found.recording.of("Workload")}.isdisjoint({"seed"})


def test_no_server_of_a_vault_runs(declared: Any) -> None:
    names = {each.name for each in declared.recording.of("Workload")}
    assert not {"vault", "vault-copy"} & names
    assert {"postgres", "backup", "replication", "restore-test", "side"} <= names


def test_who_takes_a_role_on_has_a_token_for_it_and_a_way_out(declared: Any) -> None:
    """By which pods on Kubernetes prove who they are, and reach S3 and STS."""
    token = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"
    for name in ("postgres", "backup", "restore-test", "side", "replication"):
        workload = declared.workload(name)
        assert workload["tokens"] == {token: "sts.amazonaws.com"}, name
        assert {port for each in workload["outside"] for port in each["ports"]} == {443}, name
    for name in ("redis", "router"):
        assert declared.workload(name)["tokens"] == {}
        assert declared.workload(name)["outside"] == []
