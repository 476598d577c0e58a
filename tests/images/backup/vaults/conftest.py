"""A vault and its copy: buckets in memory, with versions."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from backup_service import s3
from backup_service.s3 import Vault
from backup_service.settings import VaultAddress

REGION = "eu-west-2"
ENDPOINT = f"https://s3.{REGION}.amazonaws.com"
MAIN = "pgbackrest/backup/main/"
ARCHIVE = "pgbackrest/archive/main/17-1/0000000100000000/"
FULL = MAIN + "20261122-010000F/"


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    path = tmp_path / "vault.credentials.json"
    path.write_text(json.dumps({"access_key": "writer", "secret_key": "not-a-real-secret"}))
    return path


@pytest.fixture
def cloud(aws_session: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(s3, "_session", lambda: aws_session)
    with mock_aws():
        yield


@pytest.fixture
def make(cloud: None, aws_session: Any, credentials: Path) -> Callable[[str], Vault]:
    """A vault by name. Its host is its name, so that errors tell which it was."""

    def vault(name: str) -> Vault:
        aws_session.client("s3", region_name=REGION).create_bucket(
            Bucket=name,
            CreateBucketConfiguration={"LocationConstraint": REGION},
            ObjectLockEnabledForBucket=True,
        )
        made = Vault(VaultAddress(ENDPOINT, REGION, name, None), credentials)
        made.host = name
        return made

    return vault


@pytest.fixture
def vault(make: Callable[[str], Vault]) -> Vault:
    return make("vault-1")


@pytest.fixture
def copy(make: Callable[[str], Vault]) -> Vault:
    return make("vault-copy-1")


@pytest.fixture
def contents() -> Callable[[Vault], dict[str, bytes]]:
    """All that is current."""
    return lambda vault: {each.key: vault.get(each.key) for each in vault.list("")}


@pytest.fixture
def fill() -> Callable[[Vault], dict[str, bytes]]:
    """A repository as the services make it, in their order; returns it."""
    found = {
        "pgbackrest/archive/main/archive.info": b"archives",
        **{f"{ARCHIVE}{n:024X}-{'ab' * 20}.zst": b"wal %d" % n for n in range(1, 9)},
        FULL + "bundle/1": bytes(range(256)) * 40,
        FULL + "bundle/2": b"small",
        FULL + "backup.manifest": b"manifest" * 5000,
        MAIN + "backup.info": b"backups",
        MAIN + "backup.info.copy": b"backups",
        "logical/20261122T020000Z/app.dump.gpg": b"dump" * 100,
        "logical/20261122T020000Z/manifest.json": b"{}",
        "canary/2026/11/22/010203.jsonl": b"line\n",
        "records/full/20261122T010000Z-a.json": b"{}",
    }

    def fill(vault: Vault) -> dict[str, bytes]:
        for key, data in found.items():
            vault.put(key, data)
        return dict(found)

    return fill


@pytest.fixture
def at() -> Callable[..., None]:
    """Sets when a vault's versions of a key were written, the oldest first."""
    from moto.s3.models import s3_backends

    def at(vault: Vault, key: str, *moments: datetime) -> None:
        (backend,) = [each["aws"] for each in s3_backends.values() if "aws" in each]
        history: list[Any] = backend.buckets[vault.bucket].keys.getlist(key)
        for version, moment in zip(history, moments, strict=True):
            version.last_modified = moment.replace(tzinfo=None)

    return at


class Seen:
    """A Progress that only remembers."""

    def __init__(self) -> None:
        self.reports: list[tuple[str, int, int | None]] = []

    def report(self, what: str, done: int, total: int | None = None) -> None:
        self.reports.append((what, done, total))


@pytest.fixture
def progress() -> Seen:
    return Seen()
