"""Containers cannot gain privileges."""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.contract import Severity
from policies.reading.kubernetes import container_control, part


def judge(pod: Mapping[str, Any], container: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Left out, it is allowed."""
    if part(container, "securityContext.allowPrivilegeEscalation") is not False:
        yield "securityContext.allowPrivilegeEscalation", "is not false"


CONTROL = container_control(
    __name__,
    title="Containers cannot gain privileges",
    why="a setuid program in the image is enough to become root",
    mend="Set securityContext.allowPrivilegeEscalation: false on the container.",
    references=("PCI DSS 4.0.1 2.2.6", "PCI DSS 4.0.1 7.2.5", "GDPR Art. 32(1)(b)"),
    severity=Severity.HIGH,
    judge=judge,
)
