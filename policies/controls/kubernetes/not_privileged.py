"""No container is privileged."""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.contract import Severity
from policies.reading.kubernetes import container_control, part


def judge(pod: Mapping[str, Any], container: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Left out, it is not. The other two are the same by other names."""
    if part(container, "securityContext.privileged") is True:
        yield "securityContext.privileged", "is true"
    if part(container, "securityContext.procMount") == "Unmasked":
        yield "securityContext.procMount", "is not Default"
    if part(container, "securityContext.windowsOptions.hostProcess") is True:
        yield "securityContext.windowsOptions.hostProcess", "is true"


CONTROL = container_control(
    __name__,
    title="No container is privileged",
    why="a privileged container is root on its node, and on whatever else runs there",
    mend="Leave privileged out; what it is for is a capability or a volume.",
    references=("PCI DSS 4.0.1 2.2.6", "PCI DSS 4.0.1 7.2.5", "GDPR Art. 32(1)(b)"),
    severity=Severity.CRITICAL,
    judge=judge,
)
