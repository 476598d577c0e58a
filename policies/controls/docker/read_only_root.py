"""A container's own file system cannot be written to."""

from collections.abc import Iterator

from policies.contract import Severity
from policies.reading.docker import container_control, runs_once
from policies.resources import Resource


def judge(container: Resource) -> Iterator[tuple[str, str]]:
    """Left out, it can. What is uploaded has to be written: it may be by a job that nobody can
    reach.
    """
    delivers = container.get("uploads") and container.get("networkMode") == "none"
    if not container.get("readOnly") and not (delivers and runs_once(container)):
        yield "readOnly", "is not true"


CONTROL = container_control(
    __name__,
    title="Containers cannot change their own programs",
    why="an intruder who can write where programs are stays, and is not seen",
    mend="Set readOnly: true, and mount where it writes; upload files in a job of their own.",
    references=("PCI DSS 4.0.1 2.2.6", "PCI DSS 4.0.1 11.5.2", "GDPR Art. 5(1)(f)"),
    severity=Severity.MEDIUM,
    judge=judge,
)
