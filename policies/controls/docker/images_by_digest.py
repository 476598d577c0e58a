"""Containers are of images that are built here, or that come by digest."""

import re

from policies.contract import (
    Finding,
    Findings,
    Settings,
    Severity,
    StackControl,
    Unseen,
    WhenUnknown,
)
from policies.reading.docker import CONTAINERS, IMAGES, OTHER_BUILDS
from policies.resources import Resource, Stack
from policies.values import Unknown

DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
# An image's id is a digest of all there is of it.
ID = "sha256:"


def check(subject: Resource, stack: Stack, settings: Settings) -> Findings:
    """An image that the program makes is judged by itself, whoever is made of it."""
    if subject.type in IMAGES:
        name = subject.get("name")
        if not subject.get("build") and not DIGEST.search(str(name or "")):
            yield Finding("name", "has no digest, and nothing is built", subject)
        return
    image = subject.get("image")
    if isinstance(image, Unknown):
        made = {each.urn for each in stack.of((*IMAGES, *OTHER_BUILDS))}
        if not made.intersection(subject.references.get("image", ())):
            yield Unseen("image", subject)
    elif not str(image).startswith(ID) and not DIGEST.search(str(image)):
        yield Finding("image", "is neither an id nor a digest", subject)


CONTROL = StackControl(
    module=__name__,
    title="Images are built here or come by digest",
    why="a tag is whatever somebody pushed last, and nobody has looked at that",
    mend="Take imageId of a RemoteImage with build, or give NAME@sha256:….",
    references=("PCI DSS 4.0.1 6.3.2", "PCI DSS 4.0.1 6.5.1", "FCA SYSC 8.1.8"),
    severity=Severity.HIGH,
    types=(*CONTAINERS, *IMAGES, *OTHER_BUILDS),
    subjects=(*CONTAINERS, *IMAGES),
    when_unknown=WhenUnknown.BLOCK,
    check=check,
)
