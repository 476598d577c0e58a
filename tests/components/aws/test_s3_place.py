"""A vault at an S3 outside AWS: its keys reach who needs them, and are nowhere in the open."""

import configparser
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from backup_service.settings import VaultAddress, parse

SIGNATURE = "4dabf18193072939515e22adb298388d"
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def place(**more: Any) -> dict[str, Any]:
    keys = {
        who: {"access_key": f"canary-{who}-k", "secret_key": f"canary-{who}-s"}
        for who in ("writer", "reader", "tester")
    }
    return {
        "endpoint": "https://s3.example.org:9000",
        "region": "dc-1",
        "bucket": "ledger",
        **keys,
        **more,
    }


@pytest.fixture(scope="module")
def both(run_aws: Callable[..., Any]) -> Any:
    """With a second place, which is certified by an authority of its own."""
    second = place(bucket="ledger-copy", ca_certificate=PEM, path_style=False)
    second["writer"] = {"access_key": "canary-copy-k", "secret_key": "canary-copy-s"}
    del second["tester"]
    vault = {"kind": "s3", "place": place(), "copy_place": second}
    return run_aws(vault=vault, stack="staging", recovery="copy")


def open_texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if SIGNATURE in value:
            return
        for key, each in value.items():
            yield str(key)
            yield from open_texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from open_texts(each)
    elif isinstance(value, str):
        yield value


def secret_files(found: Any, workload: str) -> dict[str, str]:
    return dict(found.workload(workload)["secretFiles"])


def test_nothing_is_made_for_it(s3_declared: Any) -> None:
    tokens = {each.type for each in s3_declared.recording.requests}
    assert not [each for each in tokens if each.startswith(("aws:", "pulumi:providers:aws"))]
    assert "vault" not in {each.name for each in s3_declared.recording.of("Workload")}


@pytest.mark.parametrize(
    ("workload", "identity"),
    [("postgres", "writer"), ("backup", "writer"), ("restore-test", "tester"), ("side", "tester")],
)
def test_pgbackrest_has_its_identitys_key(s3_declared: Any, workload: str, identity: str) -> None:
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",), strict=True)
    parser.read_string(secret_files(s3_declared, workload)["pgbackrest.conf"])
    found = dict(parser["global"])
    assert {key: value for key, value in found.items() if key.startswith("repo1-s")} == {
        "repo1-s3-bucket": "ledger",
        "repo1-s3-endpoint": "s3.example.org",
        "repo1-s3-region": "dc-1",
        "repo1-s3-uri-style": "path",
        "repo1-s3-key": f"canary-{identity}-k",
        "repo1-s3-key-secret": f"canary-{identity}-s",
        "repo1-storage-port": "9000",
        "repo1-storage-verify-tls": "y",
    }


@pytest.mark.parametrize(
    ("workload", "identity"), [("backup", "writer"), ("restore-test", "tester")]
)
def test_the_service_has_its_identitys_key(s3_declared: Any, workload: str, identity: str) -> None:
    text = secret_files(s3_declared, workload)["vault.credentials.json"]
    assert json.loads(text) == {
        "access_key": f"canary-{identity}-k",
        "secret_key": f"canary-{identity}-s",
    }


def test_nobody_takes_a_role_on(both: Any) -> None:
    for each in both.recording.of("Workload"):
        assert not [key for key in each.inputs["environment"] if key.startswith("AWS")]


def test_the_service_makes_the_copy(both: Any) -> None:
    found = parse(json.loads(both.workload("replication")["files"]["backup.json"]))
    assert found.copies
    assert found.vault == VaultAddress("https://s3.example.org:9000", "dc-1", "ledger", None)
    assert found.copy == VaultAddress(
        "https://s3.example.org:9000",
        "dc-1",
        "ledger-copy",
        "/etc/selfmonitor/copy-ca.crt",
        "virtual",
    )
    files = secret_files(both, "replication")
    assert json.loads(files["vault.credentials.json"])["access_key"] == "canary-reader-k"
    assert json.loads(files["copy.credentials.json"])["access_key"] == "canary-copy-k"


def test_an_authority_of_its_own_reaches_who_goes_there(both: Any) -> None:
    for each in both.recording.of("Workload"):
        has = "copy-ca.crt" in each.inputs["secretFiles"]
        assert has == (each.name in ("replication", "seed")), each.name
    assert secret_files(both, "seed")["copy-ca.crt"] == PEM


def test_pgbackrest_believes_the_places_own_authority(run_aws: Callable[..., Any]) -> None:
    vault = {"kind": "s3", "place": place(ca_certificate=PEM)}
    found = run_aws(vault=vault, more={"second_region": False}, stack="staging")
    for workload in ("postgres", "backup", "restore-test", "side"):
        files = secret_files(found, workload)
        assert "repo1-storage-ca-file=/etc/selfmonitor/vault-ca.crt\n" in files["pgbackrest.conf"]
        assert files["vault-ca.crt"] == PEM


def test_no_key_is_in_the_open_in_any_request_or_output(both: Any) -> None:
    seen = json.dumps([each.raw for each in both.recording.requests])
    assert seen.count("canary-") > 10, "they are there"
    for each in both.recording.requests:
        assert not [text for text in open_texts(each.raw) if "canary-" in text], each.name
    for outputs in both.recording.component_outputs.values():
        assert not [text for text in open_texts(outputs) if "canary-" in text]


def test_a_first_preview_works_without_any_generated_value(
    run_aws: Callable[..., Any], s3_declared: Any, nothing_is_there: dict[str, Any]
) -> None:
    found = run_aws(
        vault={"kind": "s3", "place": place()},
        more={"second_region": False},
        stack="staging",
        **nothing_is_there,
    )
    assert {each.urn for each in found.recording.requests} == {
        each.urn for each in s3_declared.recording.requests
    }
