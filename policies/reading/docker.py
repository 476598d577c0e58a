"""What a container publishes, and what it keeps."""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.resources import Resource
from policies.values import joined_path

CONTAINERS = ("docker:index/container:Container",)
# Where the Engine listens when it is told nothing.
EVERYWHERE = "0.0.0.0"  # noqa: S104 (to be found, not to be bound to)


def ports(container: Resource) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(path, port) of all ports the container publishes."""
    for index, port in enumerate(container.get("ports") or ()):
        yield joined_path("ports", index), port


def keeps_data(container: Resource) -> bool:
    """Whether it writes to a volume or to a directory of its host."""
    volumes = container.get("volumes") or ()
    mounts = container.get("mounts") or ()
    return any(not each.get("readOnly") for each in volumes) or any(
        each.get("type") != "tmpfs" and not each.get("readOnly") for each in mounts
    )
