"""Containers have limits, and what they need is kept free for them."""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.contract import Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.parameters import Parameter
from policies.reading.kubernetes import POD_TYPES, of_containers, part
from policies.resources import Resource

QUANTITIES = ("limits.cpu", "limits.memory", "requests.cpu", "requests.memory")
NOTHING = (None, "", "0", 0)


def check(resource: Resource, settings: Settings) -> Findings:
    """A request that is left out is as high as the limit."""

    def judge(pod: Mapping[str, Any], container: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        for each in settings["quantities"]:
            kind, _, what = each.partition(".")
            value = part(container, f"resources.{each}")
            if value is None and kind == "requests":
                value = part(container, f"resources.limits.{what}")
            if value in NOTHING:
                yield f"resources.{each}", "is not set"

    return of_containers(resource, judge)


CONTROL = ResourceControl(
    module=__name__,
    title="Containers have limits, and what they need is kept free",
    why="one that grows without a limit takes its node's others with it, databases too",
    mend="Set resources.limits and resources.requests, of cpu and memory.",
    references=("PCI DSS 4.0.1 2.2.6", "GDPR Art. 32(1)(b)", "FCA SYSC 4.1.6"),
    severity=Severity.MEDIUM,
    types=POD_TYPES,
    when_unknown=WhenUnknown.BLOCK,
    parameters={
        "quantities": Parameter(
            "strings", QUANTITIES, "What must be set of each container.", choices=QUANTITIES
        )
    },
    check=check,
)
