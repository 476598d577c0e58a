"""Containers stay out of their host's namespaces."""

from collections.abc import Iterator

from policies.contract import Severity
from policies.reading.docker import HOST, container_control
from policies.resources import Resource

NAMESPACES = ("networkMode", "pidMode", "ipcMode", "usernsMode")


def judge(container: Resource) -> Iterator[tuple[str, str]]:
    """Left out, each container has its own."""
    for each in NAMESPACES:
        if container.get(each) == HOST:
            yield each, "is host"


CONTROL = container_control(
    __name__,
    title="Containers stay out of their host's namespaces",
    why="in the host's network nothing keeps them apart, and among its processes no secret is safe",
    mend="Leave it out, and give the container networks of its own.",
    references=("PCI DSS 4.0.1 1.2.5", "PCI DSS 4.0.1 2.2.3", "GDPR Art. 32(1)(b)"),
    severity=Severity.CRITICAL,
    judge=judge,
)
