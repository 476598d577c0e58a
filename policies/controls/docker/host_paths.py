"""No container is given what is its host's: paths, sockets, devices."""

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.reading.docker import CONTAINERS, VOLUMES
from policies.resources import Resource


def check(resource: Resource, settings: Settings) -> Findings:
    """A volume too may be nothing but a path of the host."""
    if resource.type in VOLUMES:
        if str(resource.get("driverOpts.device") or "").startswith("/"):
            yield Finding("driverOpts.device", "is a path of the host")
        return
    for index, volume in enumerate(resource.get("volumes") or ()):
        if volume.get("hostPath"):
            yield Finding(f"volumes[{index}].hostPath", "is a path of the host")
    for index, mount in enumerate(resource.get("mounts") or ()):
        if mount.get("type") == "bind":
            yield Finding(f"mounts[{index}]", "is a path of the host")
    for index, _ in enumerate(resource.get("devices") or ()):
        yield Finding(f"devices[{index}]", "is a device of the host")


CONTROL = ResourceControl(
    module=__name__,
    title="No container is given a path or a device of its host",
    why="the Docker socket is root on the machine, and most other paths are a way to it",
    mend="Mount a volume of Docker's own, or upload the files.",
    references=("PCI DSS 4.0.1 2.2.3", "PCI DSS 4.0.1 7.2.5", "GDPR Art. 5(1)(f)"),
    severity=Severity.CRITICAL,
    types=(*CONTAINERS, *VOLUMES),
    when_unknown=WhenUnknown.BLOCK,
    check=check,
)
