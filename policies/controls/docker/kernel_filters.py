"""Containers keep the filters that the Engine puts between them and the kernel."""

from collections.abc import Iterator

from policies.contract import Severity
from policies.reading.docker import container_control
from policies.resources import Resource

TAKEN_OFF = ("seccomp", "apparmor", "systempaths")


def judge(container: Resource) -> Iterator[tuple[str, str]]:
    """Left out, the Engine's own are on."""
    for index, option in enumerate(container.get("securityOpts") or ()):
        key, _, value = str(option).replace(":", "=", 1).partition("=")
        if (key in TAKEN_OFF and value == "unconfined") or (key, value) == ("label", "disable"):
            yield f"securityOpts[{index}]", "takes a filter off"


CONTROL = container_control(
    __name__,
    title="Containers' calls of the kernel are filtered",
    why="most ways out of a container are rare calls of the kernel that no server needs",
    mend="Leave the option out; the Engine's own profile holds then.",
    references=("PCI DSS 4.0.1 2.2.4", "PCI DSS 4.0.1 2.2.6", "GDPR Art. 32(1)(b)"),
    severity=Severity.MEDIUM,
    judge=judge,
)
