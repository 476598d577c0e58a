"""A vault on AWS: no key on disk, a role by the workload's own token."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from backup_service import s3
from backup_service.s3 import Vault, VaultError
from backup_service.settings import VaultAddress

REGION = "eu-west-2"
ROLE = "arn:aws:iam::123456789012:role/selfmonitor-production-writer"
ADDRESS = VaultAddress(f"https://s3.{REGION}.amazonaws.com", REGION, "acme-vault", None, "virtual")
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("a.web.token")
    return path


@pytest.fixture
def workload(monkeypatch: pytest.MonkeyPatch, token: Path) -> Iterator[None]:
    """The environment of a workload with a role, and nothing else to come in with."""
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ROLE_ARN": ROLE,
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
        "AWS_DEFAULT_REGION": REGION,
        "AWS_STS_REGIONAL_ENDPOINTS": "regional",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
        "AWS_CONFIG_FILE": "/nonexistent",
    }.items():
        monkeypatch.setenv(name, value)
    s3._session.cache_clear()
    # moto would put keys of its own where boto3 looks first.
    with mock_aws(config={"core": {"mock_credentials": False}}):
        yield
    s3._session.cache_clear()


@pytest.fixture
def vault(workload: None) -> Vault:
    boto3.client("s3", region_name=REGION).create_bucket(
        Bucket="acme-vault", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    return Vault(ADDRESS, None)


def requests_of(vault: Vault) -> list[Any]:
    """What it sends from now on."""
    sent: list[Any] = []
    vault.client.meta.events.register("before-send.s3", lambda request, **_: sent.append(request))
    return sent


def test_what_is_stored_comes_back_without_a_key_on_disk(vault: Vault) -> None:
    vault.put("a/b", b"content")
    assert vault.get("a/b") == b"content"
    assert [each.key for each in vault.list("")] == ["a/b"]


def test_the_credentials_are_the_roles_and_are_renewed_by_boto3(vault: Vault) -> None:
    found = vault.client._request_signer._credentials
    assert found.method == "assume-role-with-web-identity"
    assert found.get_frozen_credentials().token


def test_the_bucket_stands_in_the_hosts_name(vault: Vault) -> None:
    sent = requests_of(vault)
    vault.put("a", b"")
    (request,) = sent
    assert request.url.startswith(f"https://acme-vault.s3.{REGION}.amazonaws.com")
    assert "X-Amz-Security-Token" in request.headers


def test_a_token_that_cannot_be_read_is_said_to_be_that(vault: Vault, token: Path) -> None:
    token.unlink()
    with pytest.raises(VaultError) as caught:
        vault.put("a", b"")
    assert str(caught.value) == (
        f"s3.{REGION}.amazonaws.com: cannot store a: the token of its role, {token}, cannot be "
        "read: No such file or directory"
    )


def test_another_file_that_is_missing_is_none_of_the_tokens(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(**_: Any) -> None:
        raise FileNotFoundError(2, "No such file or directory", "/elsewhere")

    monkeypatch.setattr(vault.client, "put_object", missing)
    with pytest.raises(FileNotFoundError):
        vault.put("a", b"")


def test_a_role_that_is_refused_is_an_error_of_the_vaults(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.exceptions import ClientError

    def refused(**_: Any) -> None:
        raise ClientError(
            {
                "Error": {"Code": "AccessDenied", "Message": "Not authorized"},
                "ResponseMetadata": {"HTTPStatusCode": 403},
            },
            "AssumeRoleWithWebIdentity",
        )

    monkeypatch.setattr(vault.client, "put_object", refused)
    with pytest.raises(s3.Refused, match="check the credentials and what they may do"):
        vault.put("a", b"")


def test_without_a_role_or_a_key_it_says_so(
    workload: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ROLE_ARN")
    monkeypatch.delenv("AWS_WEB_IDENTITY_TOKEN_FILE")
    s3._session.cache_clear()
    with pytest.raises(VaultError, match="there are no credentials for it"):
        Vault(ADDRESS, None).put("a", b"")


def test_a_key_on_disk_goes_before_a_role(workload: None, credentials: Path) -> None:
    found = Vault(ADDRESS, credentials).client._request_signer._credentials
    assert found.access_key == "writer"


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks a real STS has not been mocked."""

    def refuse(*_: Any, **__: Any) -> Callable[..., Any]:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
