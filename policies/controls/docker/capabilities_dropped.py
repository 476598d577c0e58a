"""Containers have none of the kernel's capabilities."""

from collections.abc import Iterator

from policies.contract import Severity
from policies.reading.docker import container_control
from policies.resources import Resource

ALL = "ALL"
# All that Kubernetes' Pod Security restricted lets a container have.
HARMLESS = "NET_BIND_SERVICE"


def judge(container: Resource) -> Iterator[tuple[str, str]]:
    """ALL dropped, and nothing added but what is harmless; CAP_ before a name means nothing."""
    if ALL not in map(plainly, container.get("capabilities.drops") or ()):
        yield "capabilities.drops", "does not have ALL"
    if any(plainly(each) != HARMLESS for each in container.get("capabilities.adds") or ()):
        yield "capabilities.adds", f"has more than {HARMLESS}"


def plainly(name: str) -> str:
    """A capability as the kernel's own documents have it, without its prefix."""
    return str(name).upper().removeprefix("CAP_")


CONTROL = container_control(
    __name__,
    title="Containers have no capabilities",
    why="each capability left is a part of root's power over the machine and its network",
    mend=f"Set capabilities: drops ALL, adds at most {HARMLESS}.",
    references=("PCI DSS 4.0.1 2.2.4", "PCI DSS 4.0.1 7.2.5", "GDPR Art. 32(1)(b)"),
    severity=Severity.HIGH,
    judge=judge,
)
