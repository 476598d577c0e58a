"""Pods stay out of their node's namespaces."""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.contract import Severity
from policies.reading.kubernetes import part, pod_control

NAMESPACES = ("hostNetwork", "hostPID", "hostIPC")


def judge(pod: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Left out, they do."""
    for each in NAMESPACES:
        if part(pod, each) is True:
            yield each, "is true"


CONTROL = pod_control(
    __name__,
    title="Pods stay out of their node's namespaces",
    why="in the node's network no policy holds, and among its processes every secret can be read",
    mend="Leave hostNetwork, hostPID and hostIPC out.",
    references=("PCI DSS 4.0.1 1.2.5", "PCI DSS 4.0.1 2.2.3", "GDPR Art. 32(1)(b)"),
    severity=Severity.CRITICAL,
    judge=judge,
)
