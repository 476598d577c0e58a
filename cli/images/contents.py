"""What a built image holds: its size, and the packages it is made of."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.errors import OperationFailed
from cli.images import inventory

if TYPE_CHECKING:
    import docker

KINDS = ("debian", "python", "go")
MIB = 1024 * 1024
# To read a program of 60 MB whole, with room to spare.
MEMORY_MIB = 512


@dataclass(frozen=True)
class Contents:
    """image_id: sha256:…. size: in bytes, its base's layers included. own_size: without them.

    system: {"id", "version"} of the distribution. packages: {kind: entries}, see inventory.
    """

    folder: str
    name: str
    image_id: str
    size: int
    own_size: int
    system: Mapping[str, str]
    packages: Mapping[str, list[inventory.Entry]]

    def numbers(self) -> str:
        """How many of each kind, e.g. “136 Debian, 12 Python”."""
        titles = {"debian": "Debian", "python": "Python", "go": "Go"}
        counts = {title: len(self.packages[kind]) for kind, title in titles.items()}
        return ", ".join(f"{count} {title}" for title, count in counts.items() if count)


def look_into(client: "docker.DockerClient", folder: str, name: str, base: Any) -> Contents:
    """Runs the inventory inside an image that is there: without a network, writing nothing.

    base: the image all others are made on. Raises OperationFailed.
    """
    import docker.errors

    image = client.images.get(name)
    program = Path(inventory.__file__).read_text(encoding="utf-8")
    try:
        status, output, errors = _run(client, str(image.id), ["python3", "-c", program])
    except docker.errors.APIError as error:
        raise OperationFailed(f"{name}: what is in it cannot be told: {error}") from None
    if status:
        lines = errors.decode(errors="replace").splitlines()
        raise OperationFailed(f"{name}: what is in it cannot be told", tuple(lines[-12:]))
    found = json.loads(output)
    size = int(image.attrs["Size"])
    return Contents(
        folder=folder,
        name=name,
        image_id=str(image.id),
        size=size,
        own_size=size - int(base.attrs["Size"]),
        system=found["system"],
        packages={kind: found[kind] for kind in KINDS},
    )


def _run(client: "docker.DockerClient", image: str, command: list[str]) -> tuple[int, bytes, bytes]:
    """Exit status, output and errors of a program that gets nothing of this machine.

    Listened to from before it starts: what the Engine keeps of a program that has ended lacks its
    last lines now and then, and breaks long ones.
    """
    import docker.types

    container = client.containers.create(
        image,
        command,
        network_mode="none",
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges:true"],
        mem_limit=MEMORY_MIB * MIB,
        log_config=docker.types.LogConfig(type="none"),
    )
    try:
        said = container.attach(stdout=True, stderr=True, stream=True, demux=True)
        container.start()
        pieces: list[tuple[bytes | None, bytes | None]] = list(said)
        status = int(container.wait()["StatusCode"])
    finally:
        container.remove(force=True)
    output, errors = (b"".join(part[kind] or b"" for part in pieces) for kind in (0, 1))
    return status, output, errors
