"""Images come by digest, from a registry that is allowed."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from policies.contract import (
    Findings,
    Level,
    ResourceControl,
    Settings,
    Severity,
    WhenUnknown,
)
from policies.environment import PerEnvironment
from policies.parameters import Parameter
from policies.reading.kubernetes import POD_TYPES, of_containers, part
from policies.resources import Resource

DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")


def check(resource: Resource, settings: Settings) -> Findings:
    """A registry is what a reference begins with, up to a slash."""
    beginnings = tuple(f"{each.rstrip('/')}/" for each in settings["registries"])

    def judge(pod: Mapping[str, Any], container: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        image = str(part(container, "image") or "")
        if not DIGEST.search(image):
            yield "image", "has no digest"
        if beginnings and not image.startswith(beginnings):
            yield "image", "is of no allowed registry"

    return of_containers(resource, judge)


CONTROL = ResourceControl(
    module=__name__,
    title="Images come by digest, from an allowed registry",
    why="a tag is whatever somebody pushed last, and nobody has looked at that",
    mend="Give REGISTRY/NAME@sha256:…, of a registry in setting registries of this control.",
    references=("PCI DSS 4.0.1 6.3.2", "PCI DSS 4.0.1 6.5.1", "FCA SYSC 8.1.8"),
    severity=Severity.HIGH,
    types=POD_TYPES,
    # A digest may be that of an image which the same `up` builds.
    when_unknown=WhenUnknown.DEFER,
    parameters={
        "registries": Parameter(
            "strings",
            (),
            "Registries, with or without a path, that images may be of; all if empty.",
        )
    },
    # Where one builds and tries images, they are on the node already.
    enforcement=PerEnvironment(Level.DISABLED, Level.MANDATORY, Level.MANDATORY),
    check=check,
)
