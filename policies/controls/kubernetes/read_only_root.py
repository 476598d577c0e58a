"""A container's own file system cannot be written to."""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.contract import Severity
from policies.reading.kubernetes import container_control, part


def judge(pod: Mapping[str, Any], container: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Left out, it can."""
    if part(container, "securityContext.readOnlyRootFilesystem") is not True:
        yield "securityContext.readOnlyRootFilesystem", "is not true"


CONTROL = container_control(
    __name__,
    title="Containers cannot change their own programs",
    why="an intruder who can write where programs are stays, and is not seen",
    mend="Set securityContext.readOnlyRootFilesystem: true, and mount volumes where it writes.",
    references=("PCI DSS 4.0.1 2.2.6", "PCI DSS 4.0.1 11.5.2", "GDPR Art. 5(1)(f)"),
    severity=Severity.MEDIUM,
    judge=judge,
)
