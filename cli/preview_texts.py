"""What a preview says, however it is shown."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from standalone.plan import Action
from standalone.plan import Step as PlanStep

if TYPE_CHECKING:
    from policies.evaluate import Evaluation, Violation

NOT_COMPARED = (
    "This is what would be registered, compared with nothing: what would be created, replaced or "
    "deleted takes the Pulumi CLI and the stack's state."
)


def summary(steps: Iterable[PlanStep]) -> dict[str, int]:
    """{action: number of resources}, every action."""
    found = {action.value: 0 for action in Action}
    for step in steps:
        found[step.change.action.value] += 1
    return found


@dataclass(frozen=True)
class Finding:
    """What one control found, of one resource or of several. what: must be, and what happens
    otherwise. texts: a line each, with what to do.
    """

    control: str
    mandatory: bool
    what: str
    texts: tuple[str, ...]


def findings(judged: "Evaluation") -> Iterator[Finding]:
    """By control, those that forbid an `up` first."""
    by_control: dict[tuple[bool, str], list[Violation]] = {}
    for each in judged.violations:
        by_control.setdefault((not each.mandatory, each.control), []).append(each)
    for (advice, control), found in sorted(by_control.items()):
        what = found[0].text.partition("\n")[0]
        texts = tuple(each.text.partition("\n")[2] for each in found)
        yield Finding(control, not advice, what, texts)


def resource_of(violation: "Violation") -> str:
    """The name of the resource."""
    return violation.urn.rpartition("::")[2]


def counted(number: int, one: str, several: str | None = None) -> str:
    """“1 violation”, “2 violations”."""
    return f"{number} {one if number == 1 else several or one + 's'}"


def policies_in_short(judged: "Evaluation", environment: str) -> str:
    """One line."""
    from policies.discover import controls

    forbidden = sum(each.mandatory for each in judged.violations)
    parts = [
        counted(forbidden, "violation forbids it", "violations forbid it") if forbidden else "",
        counted(len(judged.violations) - forbidden, "piece of advice", "pieces of advice")
        if len(judged.violations) > forbidden
        else "",
        f"{counted(len(judged.waiting), 'control')} will look when more is known"
        if judged.waiting
        else "",
    ]
    said = ", ".join(filter(None, parts)) or "nothing to say against it"
    return f"policies ({counted(len(controls()), 'control')}, as {environment}): {said}"
