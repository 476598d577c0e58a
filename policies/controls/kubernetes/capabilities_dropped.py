"""Containers have none of the kernel's capabilities."""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.contract import Severity
from policies.reading.kubernetes import container_control, part

# All that Pod Security restricted lets a container have.
HARMLESS = "NET_BIND_SERVICE"


def judge(pod: Mapping[str, Any], container: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """ALL dropped, and nothing added but what is harmless."""
    if "ALL" not in (part(container, "securityContext.capabilities.drop") or ()):
        yield "securityContext.capabilities.drop", "does not have ALL"
    added = part(container, "securityContext.capabilities.add") or ()
    if any(each != HARMLESS for each in added):
        yield "securityContext.capabilities.add", f"has more than {HARMLESS}"


CONTROL = container_control(
    __name__,
    title="Containers have no capabilities",
    why="each capability left is a part of root's power over the node and its network",
    mend=f"Set securityContext.capabilities: drop ALL, add at most {HARMLESS}.",
    references=("PCI DSS 4.0.1 2.2.4", "PCI DSS 4.0.1 7.2.5", "GDPR Art. 32(1)(b)"),
    severity=Severity.HIGH,
    judge=judge,
)
