"""A vault: an S3 bucket that keeps versions, and what is done with it, in bounded time and memory.

Every error is a VaultError of one line, without secrets.
"""

import contextlib
import functools
import io
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    FlexibleChecksumError,
    NoCredentialsError,
    SSLError,
)

from backup_service.errors import one_line
from backup_service.settings import VaultAddress

CONNECT_SECONDS = 3
READ_SECONDS = 30
ATTEMPTS = 3

# What is larger goes in parts. They grow, since versitygw keeps the list of an object's parts in
# an extended attribute, of which ext4 has room for some 600 entries (measured): so an object may
# have 50 GiB, and one part of it at a time is in memory.
PART_BYTES = 16 * 1024 * 1024
PARTS_OF_ONE_SIZE = 64
LARGEST_PART_BYTES = 128 * 1024 * 1024

CHUNK_BYTES = 1024 * 1024

# Names the file with the token by which a workload takes its role on.
TOKEN_FILE = "AWS_WEB_IDENTITY_TOKEN_FILE"  # noqa: S105 (a name)

# A version's id of versitygw: a ULID, which begins with the time in milliseconds.
ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class VaultError(Exception):
    """One line: which vault, what was to be done, why it was not. host: of the vault."""

    def __init__(self, host: str, message: str) -> None:
        super().__init__(f"{host}: {one_line(message)}")
        self.host = host


class NoSuchObject(VaultError):
    """It is not there, or deleted."""


class Changed(VaultError):
    """It is not any more what it was when it was listed."""


class Refused(VaultError):
    """The vault answers, and does not allow it."""


@dataclass(frozen=True)
class Object:
    """One that is current. modified: aware; etag: without quotes."""

    key: str
    size: int
    etag: str
    modified: datetime


@dataclass(frozen=True)
class Version:
    """One version of an object, or a delete marker. modified: when it was written."""

    key: str
    version_id: str
    size: int
    etag: str
    modified: datetime
    latest: bool
    marker: bool


def written_at(version_id: str, last_modified: datetime) -> datetime:
    """When a version was made.

    versitygw 1.8.0 knows that by the id alone: LastModified is when the version was replaced, and
    a delete marker's is that of what it deleted (measured). Others' LastModified is right.
    """
    if not ULID.fullmatch(version_id):
        return last_modified.astimezone(UTC)
    milliseconds = 0
    for letter in version_id[:10]:
        milliseconds = milliseconds * 32 + CROCKFORD.index(letter)
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


@functools.cache
def _session() -> Any:
    # One, since each keeps a model of S3 of its own, some 12 MB.
    return boto3.session.Session()


class Vault:
    """One bucket, seen with one identity. Safe to use from several threads."""

    def __init__(self, address: VaultAddress, credentials_file: Path | None) -> None:
        """credentials_file: None, or not there: boto3 finds them itself, by the role and the token
        that AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE name, and renews them.
        """
        self.host = urlsplit(address.endpoint).hostname or address.endpoint
        self.bucket = address.bucket
        with self._doing("open it"):
            self.client: Any = _session().client(
                "s3",
                region_name=address.region,
                endpoint_url=address.endpoint,
                verify=address.ca or True,
                config=Config(
                    s3={"addressing_style": address.style},
                    connect_timeout=CONNECT_SECONDS,
                    read_timeout=READ_SECONDS,
                    retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                ),
                **self._credentials(credentials_file),
            )

    def _credentials(self, file: Path | None) -> dict[str, str]:
        try:
            found = json.loads(file.read_bytes()) if file else None
        except FileNotFoundError:
            found = None
        except OSError as error:
            raise VaultError(self.host, f"{file} cannot be read: {error.strerror}") from None
        except ValueError:
            # What the parser says may hold a piece of the secret.
            raise VaultError(self.host, f"{file} is not JSON") from None
        if found is None:
            return {}
        try:
            return {
                "aws_access_key_id": found["access_key"],
                "aws_secret_access_key": found["secret_key"],
            }
        except (KeyError, TypeError):
            raise VaultError(self.host, f"{file} lacks access_key or secret_key") from None

    # What is stored.

    def put(self, key: str, data: bytes) -> None:
        """Whole or not at all."""
        with self._doing(f"store {key}"):
            self._put(key, data, {})

    def upload(
        self,
        key: str,
        stream: BinaryIO,
        on_bytes: Callable[[int], None] | None = None,
        metadata: dict[str, str] | None = None,
    ) -> int:
        """Stores what the stream holds, however much that is; returns how much it was.

        on_bytes is told how many bytes are stored so far. Raises whatever the stream raises too;
        then nothing was stored. metadata: ASCII.
        """
        part = _read(stream, PART_BYTES)
        with self._doing(f"store {key}"):
            if len(part) < PART_BYTES:
                self._put(key, part, metadata or {})
                size = len(part)
            else:
                return _upload_parts(self, key, part, stream, on_bytes, metadata or {})
        if on_bytes is not None:
            on_bytes(size)
        return size

    def _put(self, key: str, data: bytes | bytearray, metadata: dict[str, str]) -> None:
        self.client.put_object(
            Bucket=self.bucket,
            Key=key,
            Body=data,
            ChecksumAlgorithm="CRC32",
            Metadata=metadata,
        )

    def delete(self, key: str) -> None:
        """Sets a delete marker. A key that is not there is no error."""
        with self._doing(f"delete {key}"):
            self.client.delete_object(Bucket=self.bucket, Key=key)

    # What is there.

    def get(self, key: str) -> bytes:
        """Raises NoSuchObject."""
        with self.open(key) as stream:
            return stream.read()

    def open(self, key: str, *, version_id: str | None = None, etag: str | None = None) -> BinaryIO:
        """The content as a stream, which goes on by itself after an interruption. Close it.

        etag: what it must be, or Changed is raised. Raises NoSuchObject. Reading raises VaultError
        when the content does not come, or not whole, or is not what was stored.
        """
        return cast(BinaryIO, io.BufferedReader(_Content(self, key, version_id, etag), CHUNK_BYTES))

    def exists(self, key: str) -> bool:
        """Whether it is there and not deleted."""
        return self.metadata(key) is not None

    def metadata(self, key: str) -> dict[str, str] | None:
        """What it was uploaded with; None when it is not there."""
        try:
            with self._doing(f"look at {key}"):
                found = self.client.head_object(Bucket=self.bucket, Key=key)
        except NoSuchObject:
            return None
        metadata: dict[str, str] = found["Metadata"]
        return metadata

    def replicated(self, key: str) -> bool:
        """Whether the vault itself has brought the current version to where it replicates to.

        False too where it replicates nothing. Raises NoSuchObject.
        """
        with self._doing(f"look at {key}"):
            found = self.client.head_object(Bucket=self.bucket, Key=key)
        # S3's own word (https://docs.aws.amazon.com/AmazonS3/latest/userguide/
        # replication-status.html); others that replicate say COMPLETE.
        return str(found.get("ReplicationStatus", "")) in ("COMPLETED", "COMPLETE")

    def list(self, prefix: str, after: str | None = None) -> Iterator[Object]:
        """What is current, by key. after: only greater keys."""
        more = {"StartAfter": after} if after else {}
        for page in self._pages("list_objects_v2", prefix, **more):
            for each in page.get("Contents", ()):
                yield Object(
                    each["Key"],
                    each["Size"],
                    each["ETag"].strip('"'),
                    each["LastModified"].astimezone(UTC),
                )

    def folders(self, prefix: str) -> Sequence[str]:
        """The prefixes, each with its slash at the end, that follow `prefix`, which has one."""
        return [
            each["Prefix"]
            for page in self._pages("list_objects_v2", prefix, Delimiter="/")
            for each in page.get("CommonPrefixes", ())
        ]

    def versions(self, prefix: str) -> Iterator[Version]:
        """All versions and delete markers, by key, each key's newest first."""
        key: str | None = None
        # Of one key, which may be spread over pages, where the gateway may repeat one.
        found: dict[str, Version] = {}
        for page in self._pages("list_object_versions", prefix):
            both = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            for each in sorted(both, key=lambda each: str(each["Key"])):
                if each["Key"] != key:
                    yield from _newest_first(found)
                    key, found = each["Key"], {}
                found.setdefault(each["VersionId"], _version(each))
        yield from _newest_first(found)

    def _pages(self, operation: str, prefix: str, **more: str) -> Iterator[dict[str, Any]]:
        pages = self.client.get_paginator(operation).paginate(
            Bucket=self.bucket, Prefix=prefix, **more
        )
        following = iter(pages)
        while True:
            # Around this alone: what whoever reads raises is none of the vault's errors.
            with self._doing(f"list {prefix or 'everything'}"):
                page = next(following, None)
            if page is None:
                return
            yield page

    # What goes wrong.

    @contextlib.contextmanager
    def _doing(self, act: str) -> Iterator[None]:
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            raise self.error(act, error) from None
        except OSError as error:
            # boto3 reads it whenever its credentials run out, and says so in Python's own words.
            if error.filename is None or error.filename != os.environ.get(TOKEN_FILE):
                raise
            raise VaultError(
                self.host,
                f"cannot {act}: the token of its role, {error.filename}, cannot be read:"
                f" {error.strerror}",
            ) from None

    def error(self, act: str, error: Exception) -> VaultError:
        """What this error of boto3's means."""
        if isinstance(error, ClientError):
            return self._answered(act, error)
        if isinstance(error, NoCredentialsError):
            return VaultError(self.host, f"cannot {act}: there are no credentials for it")
        if isinstance(error, SSLError):
            return VaultError(
                self.host, f"cannot {act}: its certificate is not believed; check `ca`: {error}"
            )
        if isinstance(error, FlexibleChecksumError):
            return VaultError(
                self.host, f"cannot {act}: what comes is not what was stored; take another version"
            )
        return VaultError(
            self.host,
            f"cannot {act}: it does not answer ({type(error).__name__}); check that it runs and"
            " can be reached",
        )

    def _answered(self, act: str, error: ClientError) -> VaultError:
        code = error.response["Error"].get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code == "NoSuchBucket":
            return VaultError(self.host, f"cannot {act}: there is no bucket {self.bucket}")
        if status == 404:
            return NoSuchObject(self.host, f"cannot {act}: it is not there")
        if status == 412:
            return Changed(self.host, f"cannot {act}: it has changed meanwhile")
        if status in (401, 403):
            return Refused(
                self.host,
                f"cannot {act}: refused ({code}); check the credentials and what they may do",
            )
        message = error.response["Error"].get("Message", "")
        return VaultError(self.host, f"cannot {act}: {code or status}: {message}")


class _Content(io.RawIOBase):
    """An object's content, read in sequence; taken up again where it was interrupted."""

    def __init__(self, vault: Vault, key: str, version_id: str | None, etag: str | None) -> None:
        self._vault = vault
        self._act = f"read {key}"
        self._request = {"Bucket": vault.bucket, "Key": key}
        if version_id is not None:
            self._request["VersionId"] = version_id
        if etag is not None:
            self._request["IfMatch"] = f'"{etag}"'
        self._position = 0
        self._body: Any = None
        self._connect()

    def _connect(self) -> None:
        request = dict(self._request)
        if self._position:
            request["Range"] = f"bytes={self._position}-"
        with self._vault._doing(self._act):
            found = self._vault.client.get_object(**request)
        self._body = found["Body"]
        # What follows an interruption must be of the same content.
        self._request["IfMatch"] = found["ETag"]
        if not self._position:
            self._size = found["ContentLength"]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._read(len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _read(self, size: int) -> bytes:
        attempt = 0
        while True:
            try:
                data: bytes = self._body.read(size)
                if data or self._position >= self._size:
                    return data
                raise VaultError(self._vault.host, f"cannot {self._act}: it ends too early")
            except FlexibleChecksumError as error:
                raise self._vault.error(self._act, error) from None
            except (BotoCoreError, OSError) as error:
                attempt += 1
                if attempt >= ATTEMPTS:
                    raise self._vault.error(self._act, error) from None
                self._body.close()
                self._connect()

    def close(self) -> None:
        if not self.closed and self._body is not None:
            self._body.close()
        super().close()


def _read(stream: BinaryIO, size: int) -> bytearray:
    """This much, or all there is."""
    found = bytearray()
    while len(found) < size:
        chunk = stream.read(min(CHUNK_BYTES, size - len(found)))
        if not chunk:
            break
        found += chunk
    return found


def _upload_parts(
    vault: Vault,
    key: str,
    part: bytearray,
    stream: BinaryIO,
    on_bytes: Callable[[int], None] | None,
    metadata: dict[str, str],
) -> int:
    target = {"Bucket": vault.bucket, "Key": key}
    target["UploadId"] = vault.client.create_multipart_upload(
        **target, ChecksumAlgorithm="CRC32", Metadata=metadata
    )["UploadId"]
    stored = 0
    parts: list[dict[str, Any]] = []
    try:
        while part:
            number = len(parts) + 1
            taken = vault.client.upload_part(
                **target, PartNumber=number, Body=part, ChecksumAlgorithm="CRC32"
            )
            found = {"PartNumber": number, "ETag": taken["ETag"]}
            if "ChecksumCRC32" in taken:
                found["ChecksumCRC32"] = taken["ChecksumCRC32"]
            parts.append(found)
            stored += len(part)
            if on_bytes is not None:
                on_bytes(stored)
            # Given back before the next is read.
            part = bytearray()
            part = _read(stream, _part_bytes(number))
        vault.client.complete_multipart_upload(**target, MultipartUpload={"Parts": parts})
    except BaseException:
        with contextlib.suppress(BotoCoreError, ClientError):
            vault.client.abort_multipart_upload(**target)
        raise
    return stored


def _part_bytes(done: int) -> int:
    """How large the part after so many is."""
    return min(PART_BYTES << done // PARTS_OF_ONE_SIZE, LARGEST_PART_BYTES)


def _version(found: dict[str, Any]) -> Version:
    return Version(
        key=found["Key"],
        version_id=found["VersionId"],
        size=found.get("Size", 0),
        etag=found.get("ETag", "").strip('"'),
        modified=written_at(found["VersionId"], found["LastModified"]),
        latest=found["IsLatest"],
        marker="Size" not in found,
    )


def _newest_first(found: dict[str, Version]) -> list[Version]:
    # Two of one moment stay in the vault's order.
    return sorted(found.values(), key=lambda each: (each.latest, each.modified), reverse=True)
