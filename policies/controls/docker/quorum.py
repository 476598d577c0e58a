"""There are enough of those that agree by majority, and an odd number."""

from collections.abc import Iterator

from policies.contract import Finding, Findings, Settings, Severity, StackControl, WhenUnknown
from policies.parameters import Parameter
from policies.reading import quorum
from policies.reading.docker import CONTAINERS, labels
from policies.resources import Resource, Stack


def check(subject: Resource, stack: Stack, settings: Settings) -> Findings:
    """Of the first container of a workload, for all of them; those that deliver files and such are
    of the same member.
    """
    workload = labels(subject).get(settings["workload_label"])
    if not workload or not quorum.counted(workload, settings):
        return
    others = list(of_workload(workload, stack, settings))
    if others[0] is not subject:
        return
    members = {labels(each).get(settings["member_label"]) for each in others}
    found = quorum.wrong(workload, len(members), settings)
    if found:
        yield Finding("the number of its workload's members", found, subject)


def of_workload(workload: str, stack: Stack, settings: Settings) -> Iterator[Resource]:
    """All containers of a workload."""
    for each in stack.of(CONTAINERS):
        if labels(each).get(settings["workload_label"]) == workload:
            yield each


CONTROL = StackControl(
    module=__name__,
    title="A majority survives the loss of one",
    why="with two of them, or with one, the loss of one stops every write",
    mend="Run 3, 5 or 7.",
    references=("GDPR Art. 32(1)(b)", "FCA SYSC 4.1.6", "FCA SYSC 15A.2.9"),
    severity=Severity.HIGH,
    types=CONTAINERS,
    subjects=CONTAINERS,
    when_unknown=WhenUnknown.BLOCK,
    parameters={
        **quorum.PARAMETERS,
        "workload_label": Parameter(
            "string", "io.selfmonitor.workload", "The label that says of which workload it is."
        ),
        "member_label": Parameter(
            "string", "io.selfmonitor.member", "The label that says which of its members it is."
        ),
    },
    check=check,
)
