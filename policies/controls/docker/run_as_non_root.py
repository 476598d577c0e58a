"""Containers do not run as root."""

from collections.abc import Iterator

from policies.contract import Severity
from policies.reading.docker import container_control
from policies.resources import Resource

ROOT = ("0", "root")


def judge(container: Resource) -> Iterator[tuple[str, str]]:
    """Left out, it is the image's choice, and most images choose root."""
    user = container.get("user")
    if not user:
        yield "user", "is not set"
    elif str(user).partition(":")[0] in ROOT:
        yield "user", "is root"


CONTROL = container_control(
    __name__,
    title="Containers do not run as root",
    why="who breaks out of a container that runs as root is root on the machine",
    mend="Set user to a number other than 0.",
    references=("PCI DSS 4.0.1 2.2.6", "PCI DSS 4.0.1 7.2.5", "GDPR Art. 32(1)(b)"),
    severity=Severity.HIGH,
    judge=judge,
)
