"""No secret stands in a pod's manifest."""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.contract import Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.reading.kubernetes import POD_TYPES, of_containers, part
from policies.reading.secrets import HARMLESS_NAMES, of_value, shape
from policies.resources import Resource


def check(resource: Resource, settings: Settings) -> Findings:
    """Of variables' names and values, and of the shape of what a command is given."""

    def judge(pod: Mapping[str, Any], container: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        for index, each in enumerate(part(container, "env") or ()):
            name = str(part(each, "name"))
            found = of_value(name, str(part(each, "value") or ""), settings["harmless"])
            if found:
                yield f"env[{index}].value", found
        for kind in ("command", "args"):
            for index, text in enumerate(part(container, kind) or ()):
                found = shape(str(text))
                if found:
                    yield f"{kind}[{index}]", found

    return of_containers(resource, judge)


CONTROL = ResourceControl(
    module=__name__,
    title="No secret stands in a pod's variables or commands",
    why="whoever may look at pods reads it, and so does whatever writes manifests down",
    mend="Mount it as a file from a Secret, or take it from there with valueFrom.",
    references=("PCI DSS 4.0.1 8.3.2", "PCI DSS 4.0.1 8.6.2", "GDPR Art. 32(1)(a)"),
    severity=Severity.CRITICAL,
    types=POD_TYPES,
    # Many an address is only known later; what it is is looked at before the pod is made.
    when_unknown=WhenUnknown.DEFER,
    parameters={"harmless": HARMLESS_NAMES},
    check=check,
)
