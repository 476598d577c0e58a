"""No container is privileged."""

from collections.abc import Iterator

from policies.contract import Severity
from policies.reading.docker import container_control
from policies.resources import Resource


def judge(container: Resource) -> Iterator[tuple[str, str]]:
    """Left out, it is not."""
    if container.get("privileged"):
        yield "privileged", "is true"


CONTROL = container_control(
    __name__,
    title="No container is privileged",
    why="a privileged container is root on its machine, and on whatever else runs there",
    mend="Leave privileged out; what it is for is a capability or a volume.",
    references=("PCI DSS 4.0.1 2.2.6", "PCI DSS 4.0.1 7.2.5", "GDPR Art. 32(1)(b)"),
    severity=Severity.CRITICAL,
    judge=judge,
)
