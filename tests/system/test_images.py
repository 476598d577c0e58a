"""Images that are really built, pushed into a real registry, pulled by digest and looked into."""

import io
import shutil
import socket
import subprocess
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest

from cli.console import Steps
from cli.errors import OperationFailed
from cli.images.build import build
from cli.images.contents import look_into
from cli.images.push import push
from platforms.image_context import BASE
from platforms.image_reference import ImageReferences

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30
CONFIGURATION = """
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {data}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@dataclass(frozen=True)
class Registry:
    """A registry on loopback. name: host and port. process: it."""

    name: str
    process: subprocess.Popen[bytes]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The registry of Debian: the one installed, or the package's, unpacked beside the tests."""
    found = shutil.which("docker-registry")
    if found:
        return found
    directory = tmp_path_factory.mktemp("docker-registry")
    for command in (
        ["apt-get", "download", "docker-registry"],
        ["sh", "-c", "dpkg-deb --extract docker-registry_*.deb ."],
    ):
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"Debian's package docker-registry cannot be had: {done.stderr.strip()}")
    return str(directory / "usr" / "bin" / "docker-registry")


@pytest.fixture
def registry(tmp_path: Path, program: str) -> Iterator[Registry]:
    directory = tmp_path / "registry"
    directory.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    configuration = directory / "config.yml"
    configuration.write_text(CONFIGURATION.format(data=directory / "data", port=port))
    process = subprocess.Popen(
        [program, "serve", str(configuration)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(port):
            assert process.poll() is None, "it has ended"
            assert time.monotonic() < deadline, "it does not answer"
            time.sleep(0.1)
        yield Registry(f"127.0.0.1:{port}", process)
    finally:
        process.terminate()
        process.wait(10)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=2) as answer:
            return int(answer.status) == 200
    except (urllib.error.URLError, ConnectionError):
        return False


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with a base and two images that take no time to build and to push."""
    base = tmp_path / "images" / BASE
    base.mkdir(parents=True)
    (base / "Dockerfile").write_text("FROM scratch\nCOPY whose /whose\n")
    # What no other project has: its names are those of this run alone.
    (base / "whose").write_text(str(tmp_path))
    for name in ("one", "two"):
        folder = tmp_path / "images" / name
        folder.mkdir()
        (folder / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\nCOPY said /said\n")
        (folder / "said").write_text(f"I am {name}\n")
    return tmp_path


@pytest.fixture
def client() -> Any:
    return docker.from_env()


@pytest.fixture
def built(client: Any, root: Path) -> Iterator[dict[str, str]]:
    names = build(client, root, Steps())
    yield names
    # By its id: with every name it has been given meanwhile.
    for name in reversed(names.values()):
        client.images.remove(client.images.get(name).id, force=True)


def _file(container: Any, path: str) -> bytes:
    archive = io.BytesIO(b"".join(container.get_archive(path)[0]))
    with tarfile.open(fileobj=archive) as opened:
        (member,) = opened.getmembers()
        content = opened.extractfile(member)
        assert content is not None
        return content.read()


def test_what_was_pushed_is_pulled_by_the_digest_that_was_written_down(
    client: Any, root: Path, built: dict[str, str], registry: Registry
) -> None:
    where = f"{registry.name}/selfmonitor"
    push(client, root, where, built, Steps())
    reference = ImageReferences(root, where).of("two")
    assert reference.startswith(f"{where}/two@sha256:")
    client.images.remove(client.images.get(built["two"]).id, force=True)
    pulled = client.images.pull(reference)
    container = client.containers.create(pulled.id, ["never run"])
    try:
        assert _file(container, "/said") == b"I am two\n"
    finally:
        container.remove()
        # As it was built, for what takes it away at the end.
        pulled.tag(*built["two"].split(":"))


def test_a_push_that_is_repeated_finds_the_same(
    client: Any, root: Path, built: dict[str, str], registry: Registry
) -> None:
    where = f"{registry.name}/selfmonitor"
    first = push(client, root, where, built, Steps())
    before = (root / "images.lock.json").read_bytes()
    assert push(client, root, where, built, Steps()) == first
    assert (root / "images.lock.json").read_bytes() == before


def test_a_registry_that_is_gone_is_an_error_and_leaves_the_lock_as_it_was(
    client: Any, root: Path, built: dict[str, str], registry: Registry
) -> None:
    where = f"{registry.name}/selfmonitor"
    push(client, root, where, built, Steps())
    before = (root / "images.lock.json").read_bytes()
    registry.process.terminate()
    registry.process.wait(10)
    with pytest.raises(OperationFailed, match=r"/one: not pushed: .*is it up") as caught:
        push(client, root, where, built, Steps())
    assert len(str(caught.value).splitlines()) == 1
    assert (root / "images.lock.json").read_bytes() == before


def test_the_vaults_image_says_what_debian_python_and_go_put_into_it(client: Any) -> None:
    names = build(client, ROOT, Steps())
    found = look_into(client, "vault", names["vault"], client.images.get(names[BASE]))
    assert found.system == {"id": "debian", "version": "13"}
    assert 0 < found.own_size < found.size
    there = {kind: {each["name"] for each in found.packages[kind]} for kind in found.packages}
    assert {"libc6", "python3-boto3", "ca-certificates"} <= there["debian"]
    assert {"boto3", "botocore"} <= there["python"]
    assert {"stdlib", "github.com/versity/versitygw"} <= there["go"]
    for each in (entry for entries in found.packages.values() for entry in entries):
        assert each["version"]
