"""Of replicas that keep data, no majority is taken away on purpose."""

from policies.contract import (
    Finding,
    Findings,
    Settings,
    Severity,
    StackControl,
    Unseen,
    WhenUnknown,
)
from policies.reading.kubernetes import (
    NAMESPACES,
    STATEFUL_SETS,
    expendable,
    namespace_of,
    pod_labels,
    replicas,
    selects,
)
from policies.resources import Resource, Stack
from policies.values import UnknownUsedError

BUDGETS = ("kubernetes:policy/*:PodDisruptionBudget",)
PERCENT = "%"


def check(subject: Resource, stack: Stack, settings: Settings) -> Findings:
    """Several budgets for the same pods are refused by Kubernetes: one must be right."""
    count = replicas(subject)
    if count < 2:
        return
    namespace, labels = namespace_of(subject, stack), pod_labels(subject)
    budgets, unseen = [], []
    for each in stack.of(BUDGETS):
        try:
            same = namespace_of(each, stack) == namespace
            if same and selects(each.get("spec.selector"), labels):
                budgets.append(each)
        except UnknownUsedError as error:
            unseen.append(Unseen(f"{error.path} of PodDisruptionBudget {each.name}", subject))
    for each in budgets:
        if away(each, count) > expendable(count):
            where = f"spec of PodDisruptionBudget {each.name}"
            yield Finding(where, f"lets more than {expendable(count)} be away", subject)
    if not budgets and not unseen:
        yield Finding("PodDisruptionBudget", "is missing", subject)
    elif not budgets:
        yield from unseen


def away(budget: Resource, count: int) -> int:
    """How many of so many pods a budget lets be away at once."""
    least = budget.get("spec.minAvailable")
    if least is not None:
        return count - number(least, count)
    most = budget.get("spec.maxUnavailable")
    return 1 if most is None else number(most, count)


def number(value: int | str, count: int) -> int:
    """A number or a share of the pods, which Kubernetes rounds up."""
    text = str(value)
    if not text.endswith(PERCENT):
        return int(text)
    return -(-int(text.removesuffix(PERCENT)) * count // 100)


CONTROL = StackControl(
    module=__name__,
    title="Drains leave a majority of replicas",
    why="a drain of two nodes at once would take the quorum, and with it every write",
    mend="Make a PodDisruptionBudget for its pods, with maxUnavailable 1.",
    references=("GDPR Art. 32(1)(b)", "FCA SYSC 4.1.6", "FCA SYSC 15A.2.9"),
    severity=Severity.MEDIUM,
    types=(*STATEFUL_SETS, *BUDGETS, *NAMESPACES),
    subjects=STATEFUL_SETS,
    when_unknown=WhenUnknown.BLOCK,
    check=check,
)
