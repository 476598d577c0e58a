"""s3: what is stored comes back, in bounded time and memory, and errors say what to do."""

import io
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO, cast

import pytest
from botocore.exceptions import ClientError, IncompleteReadError

from backup_service import s3
from backup_service.s3 import Changed, NoSuchObject, Refused, Vault, VaultError
from backup_service.settings import VaultAddress

MIB = 1024 * 1024
SOME_TIME = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)


class Drip(io.RawIOBase):
    """A pipe: never as much as was asked for; may break."""

    def __init__(self, data: bytes, breaks_after: int | None = None) -> None:
        self._data = io.BytesIO(data)
        self._breaks_after = breaks_after

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._breaks_after is not None and self._data.tell() >= self._breaks_after:
            raise RuntimeError("the program died")
        found = self._data.read(min(len(buffer), 70_001))
        buffer[: len(found)] = found
        return len(found)


def test_what_is_put_is_there_until_it_is_deleted(vault: Vault) -> None:
    vault.put("a/b", b"content")
    assert vault.get("a/b") == b"content"
    assert vault.exists("a/b")
    vault.delete("a/b")
    vault.delete("a/b")
    assert not vault.exists("a/b")
    with pytest.raises(NoSuchObject, match=r"^vault-1: cannot read a/b: it is not there$"):
        vault.get("a/b")


def test_lists_are_by_key_and_may_begin_after_one(vault: Vault) -> None:
    for key in ("c/2", "c/1", "c/10", "d/1", "c/a/1"):
        vault.put(key, b"x" * len(key))
    assert [each.key for each in vault.list("c/")] == ["c/1", "c/10", "c/2", "c/a/1"]
    assert [each.key for each in vault.list("c/", after="c/10")] == ["c/2", "c/a/1"]
    found = next(vault.list("d/"))
    assert (found.size, found.etag.strip('"'), found.modified.tzinfo) == (3, found.etag, UTC)
    assert vault.folders("") == ["c/", "d/"]
    assert vault.folders("c/") == ["c/a/"]


@pytest.mark.parametrize("size", [0, 1, 5 * MIB - 1, 5 * MIB, 17 * MIB + 1])
def test_a_stream_of_any_length_is_stored(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(s3, "PART_BYTES", 5 * MIB)
    monkeypatch.setattr(s3, "PARTS_OF_ONE_SIZE", 1)
    data = bytes(range(251)) * (size // 251 + 1)
    told: list[int] = []
    stream = cast(BinaryIO, Drip(data[:size]))
    assert vault.upload("big", stream, told.append, {"origin": "here"}) == size
    assert vault.get("big") == data[:size]
    assert told[-1] == size
    assert told == sorted(told)
    assert vault.metadata("big") == {"origin": "here"}


def test_parts_grow_so_that_their_list_stays_short() -> None:
    sizes = [s3._part_bytes(number) for number in range(600)]
    assert sizes[0] == 16 * MIB
    assert max(sizes) == s3.LARGEST_PART_BYTES
    assert sum(sizes) > 50 * 1024 * MIB


@pytest.mark.parametrize("broken_after", [0, 12 * MIB])
def test_a_stream_that_breaks_leaves_nothing(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, broken_after: int
) -> None:
    monkeypatch.setattr(s3, "PART_BYTES", 5 * MIB)
    with pytest.raises(RuntimeError, match="the program died"):
        vault.upload("big", cast(BinaryIO, Drip(bytes(20 * MIB), broken_after)))
    assert not vault.exists("big")
    assert "Uploads" not in vault.client.list_multipart_uploads(Bucket=vault.bucket)


def test_only_the_content_that_was_listed_is_read(vault: Vault) -> None:
    vault.put("a", b"one")
    listed = next(vault.list("a"))
    vault.put("a", b"two")
    with pytest.raises(Changed, match="changed meanwhile"):
        vault.open("a", etag=listed.etag)


def test_an_old_version_can_be_read(vault: Vault) -> None:
    vault.put("a", b"one")
    (old,) = vault.versions("a")
    vault.put("a", b"two")
    vault.delete("a")
    assert vault.open("a", version_id=old.version_id).read() == b"one"
    newest = next(vault.versions("a"))
    assert (newest.marker, newest.latest) == (True, True)


class Body:
    """What get_object returns, cut off after so many bytes."""

    def __init__(self, data: bytes, cut_after: int | None = None) -> None:
        self._data = io.BytesIO(data if cut_after is None else data[:cut_after])
        self._cut = cut_after is not None

    def read(self, size: int) -> bytes:
        data = self._data.read(size)
        if not data and self._cut:
            raise IncompleteReadError(actual_bytes=0, expected_bytes=1)
        return data

    def close(self) -> None:
        pass


def interrupted(vault: Vault, *cuts: int | None) -> list[dict[str, Any]]:
    """Makes the vault's answers end early, the first after cuts[0] bytes; the requests."""
    data, requests, left = b"0123456789", [], list(cuts)

    def get_object(**request: Any) -> dict[str, Any]:
        requests.append(request)
        start = int(request.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        rest = data[start:]
        return {"Body": Body(rest, left.pop(0)), "ETag": '"e"', "ContentLength": len(rest)}

    vault.client = SimpleNamespace(get_object=get_object)
    return requests


def test_reading_goes_on_after_an_interruption_with_the_same_content(vault: Vault) -> None:
    requests = interrupted(vault, 4, 3, None)
    assert vault.get("a") == b"0123456789"
    assert [each.get("Range") for each in requests] == [None, "bytes=4-", "bytes=7-"]
    assert [each.get("IfMatch") for each in requests] == [None, '"e"', '"e"']


def test_reading_gives_up_when_nothing_comes(vault: Vault) -> None:
    interrupted(vault, 4, 0, 0, 0)
    with pytest.raises(VaultError, match=r"^vault-1: cannot read a: it does not answer"):
        vault.get("a")


def test_content_that_just_ends_is_not_taken_for_the_whole(vault: Vault) -> None:
    interrupted(vault, None)
    answer = vault.client.get_object

    def get_object(**request: Any) -> dict[str, Any]:
        return {**answer(**request), "ContentLength": 11}

    vault.client = SimpleNamespace(get_object=get_object)
    with pytest.raises(VaultError, match="ends too early"):
        vault.get("a")


def test_versions_are_newest_first_and_none_comes_twice(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(key: str, letter: str, latest: bool = False) -> dict[str, Any]:
        # versitygw's ids tell the time; its LastModified does not.
        return {
            "Key": key,
            "VersionId": f"01M8329BN{letter}9PYGAP2A1HX43KZM",
            "LastModified": SOME_TIME,
            "IsLatest": latest,
        }

    content = {"Size": 1, "ETag": '"e"'}
    pages = [
        {
            "Versions": [{**version("a", "1"), **content}, {**version("b", "3"), **content}],
            "DeleteMarkers": [version("a", "2", latest=True)],
        },
        {"Versions": [{**version("b", "3"), **content}, {**version("b", "2"), **content}]},
    ]
    monkeypatch.setattr(vault, "_pages", lambda operation, prefix: iter(pages))
    found = [(each.key, each.version_id[9], each.marker) for each in vault.versions("")]
    assert found == [("a", "2", True), ("a", "1", False), ("b", "3", False), ("b", "2", False)]


@pytest.mark.parametrize(
    ("version_id", "moment"),
    [
        ("01M830QTCZ7QZEF2N2ETR725W0", datetime(2026, 11, 23, 1, 36, 13, 727000, tzinfo=UTC)),
        ("null", SOME_TIME),
        ("3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY", SOME_TIME),
        ("01M830QTCZ7QZEF2N2ETR725WU", SOME_TIME),
    ],
)
def test_a_versions_time_is_in_its_id_or_is_the_vaults(version_id: str, moment: datetime) -> None:
    assert s3.written_at(version_id, SOME_TIME) == moment


def refusal(code: str, status: int) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": "Something\nlong"},
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "RequestId": "",
                "HostId": "",
                "HTTPHeaders": {},
                "RetryAttempts": 0,
            },
        },
        "GetObject",
    )


@pytest.mark.parametrize(
    ("code", "status", "kind", "says"),
    [
        ("NoSuchBucket", 404, VaultError, "there is no bucket vault-1"),
        ("NoSuchKey", 404, NoSuchObject, "it is not there"),
        ("404", 404, NoSuchObject, "it is not there"),
        ("PreconditionFailed", 412, Changed, "it has changed meanwhile"),
        ("AccessDenied", 403, Refused, "refused (AccessDenied); check the credentials"),
        ("SignatureDoesNotMatch", 403, Refused, "refused (SignatureDoesNotMatch)"),
        ("SlowDown", 503, VaultError, "SlowDown: Something long"),
    ],
)
def test_an_error_is_one_line_that_names_the_vault_and_the_object(
    vault: Vault, code: str, status: int, kind: type[VaultError], says: str
) -> None:
    error = vault.error("read a", refusal(code, status))
    assert type(error) is kind
    assert str(error).startswith("vault-1: cannot read a: ")
    assert says in str(error)
    assert "\n" not in str(error)


def test_a_vault_that_is_away_is_said_so(
    credentials: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "ATTEMPTS", 1)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        endpoint = f"https://127.0.0.1:{nobody.getsockname()[1]}"
        vault = Vault(VaultAddress(endpoint, "local", "bucket", None), credentials)
        with pytest.raises(VaultError, match="does not answer") as caught:
            vault.put("a", b"")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"access_key": "k", "secret_key": hidden', "is not JSON"),
        ('{"access_key": "hidden"}', "lacks access_key or secret_key"),
    ],
)
def test_a_broken_credentials_file_is_named_and_not_quoted(
    credentials: Path, content: str, says: str
) -> None:
    credentials.write_text(content)
    with pytest.raises(VaultError, match=says) as caught:
        Vault(VaultAddress("https://vault-1:7070", "local", "b", None), credentials)
    assert "hidden" not in str(caught.value)


def test_without_a_credentials_file_they_come_from_the_role(
    make: Callable[[str], Vault], tmp_path: Path
) -> None:
    bucket = make("vault-1").bucket
    address = VaultAddress("https://s3.eu-west-2.amazonaws.com", "eu-west-2", bucket, None)
    Vault(address, tmp_path / "none.json").put("a", b"content")
    assert Vault(address, None).get("a") == b"content"
