"""Containers cannot gain privileges."""

from collections.abc import Iterator

from policies.contract import Severity
from policies.reading.docker import container_control
from policies.resources import Resource

# As the Engine takes it: with nothing behind it, it is true.
SAID = ("no-new-privileges", "no-new-privileges:true", "no-new-privileges=true")


def judge(container: Resource) -> Iterator[tuple[str, str]]:
    """Left out, they can."""
    if not any(each in SAID for each in container.get("securityOpts") or ()):
        yield "securityOpts", "does not have no-new-privileges:true"


CONTROL = container_control(
    __name__,
    title="Containers cannot gain privileges",
    why="a setuid program in the image is enough to become root",
    mend="Add it to securityOpts of the container.",
    references=("PCI DSS 4.0.1 2.2.6", "PCI DSS 4.0.1 7.2.5", "GDPR Art. 32(1)(b)"),
    severity=Severity.HIGH,
    judge=judge,
)
