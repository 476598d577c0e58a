"""Containers do not run as root."""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.contract import Severity
from policies.reading.kubernetes import container_control, part


def judge(pod: Mapping[str, Any], container: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The container's own setting holds over the pod's."""
    for where, wrong, what in (
        ("runAsNonRoot", lambda value: value is not True, "is not true"),
        ("runAsUser", lambda value: value == 0, "is 0"),
    ):
        value = part(container, f"securityContext.{where}")
        if value is None:
            value = part(pod, f"securityContext.{where}")
        if wrong(value):
            yield f"securityContext.{where}", what


CONTROL = container_control(
    __name__,
    title="Containers do not run as root",
    why="who breaks out of a container that runs as root is root on its node",
    mend="Set securityContext.runAsNonRoot: true on the pod, and a runAsUser other than 0.",
    references=("PCI DSS 4.0.1 2.2.6", "PCI DSS 4.0.1 7.2.5", "GDPR Art. 32(1)(b)"),
    severity=Severity.HIGH,
    judge=judge,
)
