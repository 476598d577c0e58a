"""Containers call no more of the kernel than programs need."""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.contract import Severity
from policies.reading.kubernetes import container_control, part

WHERE = "securityContext.seccompProfile.type"
FILTERS = ("RuntimeDefault", "Localhost")


def judge(pod: Mapping[str, Any], container: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The container's own profile holds over the pod's; without one it is unconfined."""
    if (part(container, WHERE) or part(pod, WHERE)) not in FILTERS:
        yield WHERE, f"is none of: {', '.join(FILTERS)}"


CONTROL = container_control(
    __name__,
    title="Containers' calls of the kernel are filtered",
    why="most ways out of a container are rare calls of the kernel that no server needs",
    mend="Set securityContext.seccompProfile: {type: RuntimeDefault} on the pod.",
    references=("PCI DSS 4.0.1 2.2.4", "PCI DSS 4.0.1 2.2.6", "GDPR Art. 32(1)(b)"),
    severity=Severity.MEDIUM,
    judge=judge,
)
