"""What an image says is in it: Debian's packages, Python's, and what Go programs are made of."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cli.images import inventory

MOD_INFO = (
    "path\tgithub.com/acme/gateway/cmd/gateway\n"
    "mod\tgithub.com/acme/gateway\tv1.8.0\th1:abc=\n"
    "dep\tgithub.com/aws/aws-sdk-go-v2\tv1.36.0\th1:def=\n"
    "dep\tgolang.org/x/sys\tv0.1.0\n"
    "=>\tgithub.com/acme/sys\tv0.2.0\th1:ghi=\n"
    "build\tCGO_ENABLED=0\n"
)


def varint(number: int) -> bytes:
    found = b""
    while number > 0x7F:
        found += bytes([number & 0x7F | 0x80])
        number >>= 7
    return found + bytes([number])


def program(version: str = "go1.26.6 X:nodwarf5", modules: str = MOD_INFO, flags: int = 2) -> bytes:
    """A program with what Go writes into it (https://pkg.go.dev/debug/buildinfo)."""
    wrapped = b"0" * 16 + modules.encode() + b"1" * 16
    header = b"\xff Go buildinf:" + bytes([8, flags]) + bytes(16)
    texts = b"".join(varint(len(each)) + each for each in (version.encode(), wrapped))
    return b"\x7fELF" + bytes(1020) + header + texts + bytes(64)


def write(root: Path, path: str, content: str | bytes) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)


def test_debian_says_what_is_installed_and_what_it_was_built_from() -> None:
    lines = [
        "installed\tlibssl3t64\t3.5.1-1\tamd64\topenssl\t3.5.1-1\n",
        "config-files\told\t1\tamd64\told\t1\n",
    ]
    assert inventory.debian(lines) == [
        {
            "name": "libssl3t64",
            "version": "3.5.1-1",
            "architecture": "amd64",
            "source": "openssl",
            "source_version": "3.5.1-1",
        }
    ]


def test_a_line_of_another_shape_is_an_error_and_not_a_package_less() -> None:
    with pytest.raises(ValueError, match="zip"):
        inventory.debian(["installed\tlibssl3t64\t3.5.1-1\n"])


def test_python_packages_describe_themselves_in_either_way(tmp_path: Path) -> None:
    site = "usr/lib/python3/dist-packages"
    about = "Metadata-Version: 2.1\nName: {}\nVersion: {}\n\nName: prose\n"
    write(tmp_path, f"{site}/redis-6.1.0.dist-info/METADATA", about.format("redis", "6.1.0"))
    write(tmp_path, f"{site}/boto3-1.37.9.egg-info/PKG-INFO", about.format("boto3", "1.37.9"))
    write(tmp_path, f"{site}/six-1.17.0.egg-info", about.format("six", "1.17.0"))
    write(tmp_path, f"{site}/broken-1.dist-info/RECORD", "")
    write(tmp_path, f"{site}/empty-1.egg-info", "")
    assert inventory.python(str(tmp_path), "usr", "opt") == [
        {"name": "boto3", "version": "1.37.9", "path": f"/{site}/boto3-1.37.9.egg-info"},
        {"name": "redis", "version": "6.1.0", "path": f"/{site}/redis-6.1.0.dist-info"},
        {"name": "six", "version": "1.17.0", "path": f"/{site}/six-1.17.0.egg-info"},
    ]


def test_a_go_program_says_what_it_is_made_of_and_what_took_the_place_of_what(
    tmp_path: Path,
) -> None:
    write(tmp_path, "usr/local/bin/gateway", program())
    found = inventory.go(str(tmp_path), "usr/local")
    assert {each["path"] for each in found} == {"/usr/local/bin/gateway"}
    assert [(each["name"], each["version"]) for each in found] == [
        ("stdlib", "1.26.6"),
        ("github.com/acme/gateway", "v1.8.0"),
        ("github.com/aws/aws-sdk-go-v2", "v1.36.0"),
        ("github.com/acme/sys", "v0.2.0"),
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"#!/bin/sh\n",
        b"",
        b"\x7fELF" + bytes(4096),
        # Older than 1.18: addresses in the place of texts.
        program(flags=0),
        # Somebody else's text about Go.
        b"not ELF" + program()[4:],
    ],
)
def test_any_other_file_is_made_of_nothing(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, "usr/local/bin/other", content)
    assert inventory.go(str(tmp_path), "usr/local") == []


@pytest.mark.skipif(shutil.which("go") is None, reason="no Go here, to compare with")
def test_it_reads_of_a_real_program_what_go_itself_reads() -> None:
    path = Path(str(shutil.which("go"))).resolve()
    said = subprocess.run(
        [str(path), "version", "-m", str(path)], capture_output=True, text=True, check=True
    ).stdout
    told = [line.split("\t") for line in said.splitlines()[1:]]
    expected = [(each[2], each[3]) for each in told if each[1] in ("mod", "dep")]
    version = said.splitlines()[0].rpartition(": go")[2].split()[0]
    assert inventory.modules(str(path)) == [("stdlib", version), *expected]


def test_which_distribution_it_is(tmp_path: Path) -> None:
    write(tmp_path, "etc/os-release", 'ID=debian\nVERSION_ID="13"\nNAME="Debian GNU/Linux"\n')
    assert inventory.system(str(tmp_path)) == {"id": "debian", "version": "13"}


def test_an_image_without_dpkg_is_an_error_and_not_an_image_without_packages(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, inventory.__file__],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert "dpkg-query names no package" in done.stderr
