"""What a container publishes, what it keeps, and what it is given."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from policies.contract import (
    Finding,
    Findings,
    ResourceControl,
    Settings,
    Severity,
    WhenUnknown,
)
from policies.resources import Resource
from policies.values import joined_path

CONTAINERS = ("docker:index/container:Container",)
VOLUMES = ("docker:index/volume:Volume",)
NETWORKS = ("docker:index/network:Network",)
IMAGES = ("docker:index/remoteImage:RemoteImage",)
# Those by which somebody else's program builds images.
OTHER_BUILDS = ("docker:index/image:Image", "docker-build:index:Image")
# The namespaces of its host that a container can be put into.
HOST = "host"
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


def runs_once(container: Resource) -> bool:
    """Whether it is a job, which is to end."""
    runs = container.get("mustRun")
    return runs is not None and not runs


def labels(resource: Resource) -> dict[str, Any]:
    """{label: value} of a container, volume or network."""
    return {each.get("label"): each.get("value") for each in resource.get("labels") or ()}


def uploads(container: Resource) -> Iterator[tuple[str, str, Any]]:
    """(path, file's name without folders, text) of what is written into a container before it
    starts; the text may be Unknown.
    """
    for index, each in enumerate(container.get("uploads") or ()):
        name = str(each.get("file")).rpartition("/")[2]
        yield f"{joined_path('uploads', index)} ({name})", name, each.get("content")


# container → (where, what is wrong)
Judge = Callable[[Resource], Iterator[tuple[str, str]]]


def container_control(
    module: str,
    *,
    title: str,
    why: str,
    mend: str,
    references: tuple[str, ...],
    severity: Severity,
    judge: Judge,
) -> ResourceControl:
    """A control of how every container is confined, jobs and those that deliver files too."""

    def check(container: Resource, settings: Settings) -> Findings:
        for where, what in judge(container):
            yield Finding(where, what)

    return ResourceControl(
        module=module,
        title=title,
        why=why,
        mend=mend,
        references=references,
        severity=severity,
        types=CONTAINERS,
        # How a container is confined never hangs on what is only known later.
        when_unknown=WhenUnknown.BLOCK,
        check=check,
    )
