"""Streams through the real gpg."""

import contextlib
import hashlib
import io
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from backup_service import gpg
from backup_service.gpg import GpgError, decrypted, encrypted
from backup_service.pipeline import Measured, Program

pytestmark = [
    pytest.mark.skipif(shutil.which("gpg") is None, reason="needs gpg"),
    pytest.mark.usefixtures("quick_keys"),
]

SECRET = "d2f0c1-the-passphrase-of-this-test"
PLAIN = os.urandom(3_000_000)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "logical.key"
    path.write_text(SECRET + "\n")
    return path


@pytest.fixture(scope="module")
def cipher(quick_keys: object, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("keys") / "logical.key"
    path.write_text(SECRET)
    with encrypted(io.BytesIO(PLAIN), path) as stream:
        return stream.read()


def plain(data: bytes, key: Path) -> bytes:
    with decrypted(io.BytesIO(data), key, "the dump") as stream:
        return stream.read()


def read_all(stream: BinaryIO) -> None:
    while stream.read(65536):
        pass


def leftovers() -> set[str]:
    return {each.name for each in Path("/tmp").glob("gpg-*")}


def test_what_was_encrypted_comes_back(cipher: bytes, key: Path) -> None:
    assert PLAIN[:1000] not in cipher
    assert plain(cipher, key) == PLAIN


@pytest.mark.parametrize("data", [b"", b"x", b"gpg " * 100])
def test_small_streams_come_back(data: bytes, key: Path) -> None:
    with encrypted(io.BytesIO(data), key) as stream:
        found = stream.read()
    assert plain(found, key) == data


def test_the_same_text_is_never_encrypted_the_same_way(key: Path) -> None:
    streams = []
    for _ in range(2):
        with encrypted(io.BytesIO(b"text"), key) as stream:
            streams.append(stream.read())
    assert streams[0] != streams[1]


def test_a_read_of_n_bytes_is_short_at_the_end_alone(cipher: bytes, key: Path) -> None:
    with decrypted(io.BytesIO(cipher), key, "the dump") as stream:
        sizes = [len(part) for part in iter(lambda: stream.read(999_999), b"")]
    assert sizes == [999_999, 999_999, 999_999, 3]


def test_the_wrong_key_is_named(cipher: bytes, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.key"
    wrong.write_text("another")
    with pytest.raises(GpgError, match=r"^wrong key for the dump"):
        plain(cipher, wrong)


@pytest.mark.parametrize("size", [0, 1, 30, 100, 5000, 1_000_000, -1, -30])
def test_a_cut_stream_is_never_taken_for_whole(cipher: bytes, key: Path, size: int) -> None:
    with pytest.raises(GpgError, match=r"^the dump is truncated or damaged: .+"):
        plain(cipher[:size], key)


@pytest.mark.parametrize("place", [30, 1_000_000, -25, -1])
def test_a_flipped_bit_is_found(cipher: bytes, key: Path, place: int) -> None:
    damaged = bytearray(cipher)
    damaged[place] ^= 1
    with pytest.raises(GpgError, match=r"truncated or damaged|wrong key"):
        plain(bytes(damaged), key)


def test_what_was_never_encrypted_is_refused(key: Path, tmp_path: Path) -> None:
    for text in (b"SELECT 1;\n" * 1000, b"PGDMP\x01\x0e"):
        with pytest.raises(GpgError, match="truncated or damaged"):
            plain(text, key)
    stored = subprocess.run(
        ["gpg", "--homedir", str(tmp_path), "--batch", "--store"],
        input=b"as a packet, and signed by nobody",
        capture_output=True,
        check=True,
    ).stdout
    with pytest.raises(GpgError, match="truncated or damaged"):
        plain(stored, key)


class Failing(io.RawIOBase):
    """Gives a little and then fails, as a dump that dies half way."""

    def __init__(self, parts: int) -> None:
        self.parts = parts

    def read(self, size: int = -1) -> bytes:
        self.parts -= 1
        if self.parts < 0:
            raise OSError("pg_dump died")
        return b"x" * 100_000


@pytest.mark.parametrize("parts", [0, 1, 20])
def test_a_source_that_fails_is_no_end_of_the_stream(key: Path, parts: int) -> None:
    source = cast(BinaryIO, Failing(parts))
    with encrypted(source, key) as stream, pytest.raises(OSError, match="pg_dump died"):
        read_all(stream)


def test_gpg_that_fails_says_why(
    key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "gpg"
    fake.write_text("#!/bin/sh\necho half\necho 'disk on fire' >&2\nexit 2\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    failure = pytest.raises(GpgError, match=r"could not encrypt \(exit status 2\): disk on fire")
    with encrypted(io.BytesIO(PLAIN), key) as stream, failure:
        read_all(stream)


def test_a_reader_that_stops_early_leaves_no_process_and_no_file(cipher: bytes, key: Path) -> None:
    before = leftovers()
    with decrypted(io.BytesIO(cipher), key, "it") as stream:
        assert stream.read(10)
    assert leftovers() == before
    assert not [t for t in threading.enumerate() if t.name == "feeder"]


@pytest.mark.parametrize(("text", "error"), [("", "not one line"), ("a\nb", "not one line")])
def test_a_key_that_is_none_is_refused(tmp_path: Path, text: str, error: str) -> None:
    path = tmp_path / "logical.key"
    path.write_text(text)
    with pytest.raises(GpgError, match=error), encrypted(io.BytesIO(b""), path):
        pass
    with pytest.raises(GpgError, match="cannot be read"), encrypted(io.BytesIO(b""), tmp_path):
        pass


def of_processes(name: str) -> Iterator[bytes]:
    """Command lines and environments of those that run now."""
    for process in Path("/proc").iterdir():
        # Any of them may end meanwhile.
        with contextlib.suppress(OSError):
            if process.name.isdigit() and (process / "comm").read_text() == f"{name}\n":
                yield (process / "cmdline").read_bytes()
                yield (process / "environ").read_bytes()


def test_the_key_is_in_no_argument_and_no_environment(key: Path) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as source, encrypted(source, key) as stream:
        try:
            found = list(of_processes("gpg"))
        finally:
            # What is encrypted ends here; without it nobody would.
            os.close(writing)
        stream.read()
    assert any(b"--symmetric" in text for text in found)
    assert not [text for text in found if SECRET.encode() in text]


def test_the_key_is_in_no_error(cipher: bytes, key: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.key"
    wrong.write_text(SECRET[::-1])
    for data, used in ((cipher, wrong), (cipher[:50], key), (cipher[:-1], key)):
        with pytest.raises(GpgError) as caught:
            plain(data, used)
        assert not re.search(f"{SECRET}|{SECRET[::-1]}", str(caught.value))


def test_it_is_aes_256_under_a_slow_key(
    quick_keys: tuple[str, ...], key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Symmetric-key packet: version, cipher 9 (AES256), salted and iterated 3, hash 10 (SHA512),
    eight bytes of salt, and the count: 255 is 65,011,712.
    """
    monkeypatch.setattr(gpg, "SYMMETRIC", quick_keys)
    with encrypted(io.BytesIO(PLAIN), key) as stream:
        cipher = stream.read()
    assert cipher[2] in (4, 5)
    assert cipher[3] == 9
    digest = cipher.index(10, 4, 7)
    assert cipher[digest - 1] == 3
    assert cipher[digest + 9] == 255
    assert gpg.SYMMETRIC[gpg.SYMMETRIC.index("--s2k-count") + 1] == "65011712"
    assert plain(cipher, key) == PLAIN


def explain(status: int, complaint: str) -> Exception:
    return RuntimeError(f"{status}: {complaint}")


def test_a_program_that_fails_after_its_output_raises() -> None:
    command = ["sh", "-c", "echo all of it; echo one >&2; echo two >&2; exit 3"]
    with Program(command, explain).whole_reads() as stream:
        assert stream.readline() == b"all of it\n"
        with pytest.raises(RuntimeError, match="3: one two"):
            stream.read()


def test_measured_counts_and_hashes_what_went_through() -> None:
    counts: list[int] = []
    measured = Measured(io.BytesIO(b"abc" * 1_000_000), counts.append)
    assert len(measured.whole_reads().read()) == measured.bytes == 3_000_000 == counts[-1]
    assert measured.sha256 == hashlib.sha256(b"abc" * 1_000_000).hexdigest()
