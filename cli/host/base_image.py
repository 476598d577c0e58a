"""The image everything is built on: pulled, or made with debootstrap where it cannot be."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from cli.console import Step
from cli.errors import OperationFailed, UserError
from cli.host.docker_engine import install_packages, os_family

if TYPE_CHECKING:
    import docker

REPOSITORY = "debian"
TAG = "trixie-slim"
SUITE = "trixie"


def is_there(client: "docker.DockerClient") -> bool:
    """Whether the Engine has the image."""
    import docker.errors

    try:
        client.images.get(f"{REPOSITORY}:{TAG}")
    except docker.errors.ImageNotFound:
        return False
    return True


def ensure(client: "docker.DockerClient", step: Step) -> None:
    """Gets the image unless it is there. Raises UserError or OperationFailed."""
    if is_there(client):
        return
    why = _pull(client, step)
    if why is None:
        step.remark("pulled")
        return
    step.update("cannot be pulled; making it with debootstrap")
    if os_family() != "debian" or os.geteuid() != 0:
        raise UserError(
            f"image {REPOSITORY}:{TAG} can neither be pulled ({why}) nor made here, which takes "
            f"root on Debian or Ubuntu: load it by hand, docker load or docker pull "
            f"{REPOSITORY}:{TAG}"
        )
    _debootstrap(client, step)
    step.remark("made with debootstrap")


def _pull(client: "docker.DockerClient", step: Step) -> str | None:
    """None when it worked, otherwise why not."""
    import docker.errors

    step.update("pulling")
    try:
        for event in client.api.pull(REPOSITORY, TAG, stream=True, decode=True):
            if "error" in event:
                return str(event["error"])
            step.update(event.get("status", ""))
    except docker.errors.DockerException as error:
        return getattr(error, "explanation", None) or str(error)
    return None if is_there(client) else "the registry has no such image"


def _debootstrap(client: "docker.DockerClient", step: Step) -> None:
    if shutil.which("debootstrap") is None:
        install_packages(step, "debootstrap", "debian-archive-keyring")
    directory = Path(tempfile.mkdtemp(prefix="selfmonitor-base-"))
    try:
        _run_debootstrap(directory, step)
        step.update("importing")
        _import(client, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _run_debootstrap(directory: Path, step: Step) -> None:
    process = subprocess.Popen(
        ["debootstrap", "--variant=minbase", SUITE, str(directory)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.rstrip())
        step.update(line.removeprefix("I: "))
    if process.wait():
        raise OperationFailed(f"debootstrap {SUITE} failed", tuple(lines[-12:]))


def _import(client: "docker.DockerClient", directory: Path) -> None:
    # What debootstrap downloaded is in the tree already unpacked.
    archives = directory / "var" / "cache" / "apt" / "archives"
    for package in archives.glob("*.deb"):
        package.unlink()
    tar = subprocess.Popen(
        ["tar", "--create", "--numeric-owner", "--directory", str(directory), "."],
        stdout=subprocess.PIPE,
    )
    assert tar.stdout is not None
    client.api.import_image_from_stream(
        tar.stdout, repository=REPOSITORY, tag=TAG, changes=['CMD ["bash"]']
    )
    if tar.wait() or not is_there(client):
        raise OperationFailed("the image made with debootstrap could not be imported")
