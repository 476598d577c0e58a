"""Containers have a limit of memory."""

from collections.abc import Iterator

from policies.contract import Severity
from policies.reading.docker import container_control
from policies.resources import Resource

UNLIMITED = -1


def judge(container: Resource) -> Iterator[tuple[str, str]]:
    """Without a number, or with 0, there is none."""
    if not container.get("memory"):
        yield "memory", "is not set"
    if container.get("memorySwap") == UNLIMITED:
        yield "memorySwap", "is unlimited"


CONTROL = container_control(
    __name__,
    title="Containers have a limit of memory",
    why="one that grows without a limit takes the machine's others with it, databases too",
    mend="Set memory, and memorySwap to the same, in MiB.",
    references=("PCI DSS 4.0.1 2.2.6", "GDPR Art. 32(1)(b)", "FCA SYSC 4.1.6"),
    severity=Severity.MEDIUM,
    judge=judge,
)
