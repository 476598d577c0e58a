"""For drills: damage to what is in the vault, done with the credentials of the running system."""

import hashlib
import io
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO, cast

from botocore.exceptions import BotoCoreError, ClientError

from backup_service import times
from backup_service.errors import WrongInput
from backup_service.s3 import Object, Vault
from backup_service.settings import Settings, credentials

FULL = re.compile(r"(\d{8}-\d{6})F")
SEGMENT = re.compile(r"[0-9A-F]{24}-[0-9a-f]{40}(\.\w+)?")
# The newest segments may be needed by what runs now; that they are missing is nothing to find.
NEWEST_SEGMENTS = 2
# What is overwritten gets this much, whatever it had.
NOISE_BYTES = 4096
CHUNK_BYTES = 1024 * 1024


class NothingToHarm(Exception):
    """There is no object of this kind in the vault yet."""


def main(settings: Settings, kind: str) -> dict[str, Any]:
    """`backup-service harm KIND`: see harm."""
    return harm(Vault(settings.vault, credentials("vault")), settings.stanza, kind)


def harm(vault: Vault, stanza: str, kind: str) -> dict[str, Any]:
    """{"kind", "objects": [key, …], "refused": {act: code}, "time_before": ISO time}

    time_before: everything that is harmed was there by then. refused: what was tried and not
    allowed, with the vault's answer; None where it was allowed. Raises NothingToHarm, VaultError.
    """
    acts: dict[str, Callable[[Vault, str], dict[str, Any]]] = {
        "flip": _flip,
        "missing-wal": _missing_wal,
        "truncate-dump": _truncate_dump,
        "ransomware": _ransomware,
    }
    if kind not in acts:
        raise WrongInput(f"there is no harm {kind!r}: {', '.join(acts)}")
    return {"kind": kind, "refused": {}, **acts[kind](vault, stanza)}


def _flip(vault: Vault, stanza: str) -> dict[str, Any]:
    """One bit in the middle of the newest full backup's largest object."""
    folder = _newest_full(vault, stanza)
    objects = [each for each in vault.list(folder) if "/backup.manifest" not in each.key]
    if not any(each.size for each in objects):
        raise NothingToHarm(f"{vault.host}: {folder} holds no data")
    victim = max(objects, key=lambda each: each.size)
    before = _moment()
    with vault.open(victim.key, etag=victim.etag) as stream:
        vault.upload(victim.key, cast(BinaryIO, _Flipped(stream, victim.size // 2)))
    return {"objects": [victim.key], "time_before": times.iso(before)}


def _missing_wal(vault: Vault, stanza: str) -> dict[str, Any]:
    """One WAL segment, in the middle of those since the newest full backup began."""
    folder = _newest_full(vault, stanza)
    begun = datetime.strptime(folder.rstrip("/")[-16:-1], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    archives = vault.folders(f"pgbackrest/archive/{stanza}/")
    segments = [
        each.key
        for each in (vault.list(archives[-1]) if archives else ())
        if each.modified >= begun - timedelta(seconds=1)
        and SEGMENT.fullmatch(each.key.rpartition("/")[2])
    ][:-NEWEST_SEGMENTS]
    if not segments:
        raise NothingToHarm(
            f"{vault.host}: since {folder} no more than {NEWEST_SEGMENTS} WAL segments were"
            " archived; wait for more"
        )
    victim = segments[len(segments) // 2]
    before = _moment()
    vault.delete(victim)
    return {"objects": [victim], "time_before": times.iso(before)}


def _truncate_dump(vault: Vault, stanza: str) -> dict[str, Any]:
    """The second half of the newest logical dump."""
    for folder in sorted(vault.folders("logical/"), reverse=True):
        dumps = [each for each in vault.list(folder) if each.key.endswith(".dump.gpg")]
        if dumps:
            break
    else:
        raise NothingToHarm(f"{vault.host}: there is no logical dump yet")
    victim = max(dumps, key=lambda each: each.size)
    before = _moment()
    with vault.open(victim.key, etag=victim.etag) as stream:
        vault.upload(victim.key, cast(BinaryIO, _First(stream, victim.size // 2)))
    return {"objects": [victim.key], "time_before": times.iso(before)}


def _ransomware(vault: Vault, stanza: str) -> dict[str, Any]:
    """Everything overwritten or deleted, and an attempt at every lock."""
    victims = list(vault.list(""))
    before = _moment()
    _spoil(vault, victims)
    return {
        "objects": [each.key for each in victims],
        "refused": _attempts(vault),
        "time_before": times.iso(before),
    }


def _spoil(vault: Vault, victims: list[Object]) -> None:
    """One is overwritten, the next deleted."""
    noise = hashlib.shake_256(b"noise").digest(NOISE_BYTES)
    for number, each in enumerate(victims):
        if number % 2:
            vault.delete(each.key)
        else:
            vault.put(each.key, noise)


def _attempts(vault: Vault) -> dict[str, str | None]:
    """What would make it final: act → the vault's answer, None where it was done."""
    client, bucket = vault.client, vault.bucket
    versions = list(vault.versions(""))
    soon = datetime.now(UTC) + timedelta(seconds=5)
    answers: dict[str, str | None] = {
        "delete every version": _all(
            vault,
            [
                lambda each=each: client.delete_object(  # type: ignore[misc]
                    Bucket=bucket, Key=each.key, VersionId=each.version_id
                )
                for each in versions
            ],
        ),
        "delete every version, past its lock": _all(
            vault,
            [
                lambda each=each: client.delete_object(  # type: ignore[misc]
                    Bucket=bucket,
                    Key=each.key,
                    VersionId=each.version_id,
                    BypassGovernanceRetention=True,
                )
                for each in versions
            ],
        ),
        "shorten every lock": _all(
            vault,
            [
                lambda each=each: client.put_object_retention(  # type: ignore[misc]
                    Bucket=bucket,
                    Key=each.key,
                    VersionId=each.version_id,
                    Retention={"Mode": "GOVERNANCE", "RetainUntilDate": soon},
                    BypassGovernanceRetention=True,
                )
                for each in versions
                if not each.marker
            ],
        ),
    }
    single: dict[str, Callable[[], Any]] = {
        "change the bucket's lock": lambda: client.put_object_lock_configuration(
            Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"}
        ),
        "suspend versioning": lambda: client.put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration={"Status": "Suspended"}
        ),
        "change the policy": lambda: client.put_bucket_policy(
            Bucket=bucket, Policy='{"Version": "2012-10-17", "Statement": []}'
        ),
        "delete the policy": lambda: client.delete_bucket_policy(Bucket=bucket),
        "delete the bucket": lambda: client.delete_bucket(Bucket=bucket),
    }
    for act, attempt in single.items():
        answers[act] = _all(vault, [attempt])
    return answers


def _all(vault: Vault, attempts: list[Callable[[], Any]]) -> str | None:
    """The last refusal; None when one was allowed. Raises VaultError: that is no refusal."""
    answer: str | None = "nothing to try it on"
    allowed = False
    for attempt in attempts:
        try:
            attempt()
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
                raise vault.error("try what must be refused", error) from None
            answer = error.response["Error"]["Code"]
        except BotoCoreError as error:
            raise vault.error("try what must be refused", error) from None
        else:
            allowed = True
    return None if allowed else answer


def _moment() -> datetime:
    """Now, and the next second begins: S3 tells times in whole ones."""
    now = times.now()
    time.sleep(1)
    return now


def _newest_full(vault: Vault, stanza: str) -> str:
    prefix = f"pgbackrest/backup/{stanza}/"
    full = [
        each for each in vault.folders(prefix) if FULL.fullmatch(each[len(prefix) :].rstrip("/"))
    ]
    if not full:
        raise NothingToHarm(f"{vault.host}: there is no full backup of {stanza} yet")
    return max(full)


def inventory(settings: Settings) -> list[dict[str, Any]]:
    """`backup-service inventory`: every current object, as {"key", "size", "sha256"}."""
    return inventory_of(Vault(settings.vault, credentials("vault")))


def inventory_of(vault: Vault) -> list[dict[str, Any]]:
    """As `inventory`. Raises VaultError."""
    found = []
    for each in vault.list(""):
        digest = hashlib.sha256()
        with vault.open(each.key, etag=each.etag) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
        found.append({"key": each.key, "size": each.size, "sha256": digest.hexdigest()})
    return found


class _Flipped(io.RawIOBase):
    """A stream with the lowest bit of one byte flipped."""

    def __init__(self, stream: BinaryIO, position: int) -> None:
        self._stream = stream
        self._left = position

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        if 0 <= self._left < len(data):
            buffer[self._left] ^= 1
        self._left -= len(data)
        return len(data)


class _First(io.RawIOBase):
    """The first bytes of a stream."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(min(len(buffer), self._left))
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)
