"""No secret stands where whoever may look at a container reads it."""

from collections.abc import Iterator
from typing import Any

from policies.contract import (
    Finding,
    Findings,
    ResourceControl,
    Settings,
    Severity,
    Unseen,
    WhenUnknown,
)
from policies.reading.docker import CONTAINERS, IMAGES
from policies.reading.secrets import HARMLESS_NAMES, of_value, shape
from policies.resources import Resource
from policies.values import UnknownUsedError

# (where, the value's name or nothing, its text)
Said = tuple[str, Any, Any]


def said(resource: Resource) -> Iterator[Said]:
    """All that `docker inspect` and `docker history` show. Each text may be Unknown."""
    for index, each in enumerate(resource.get("envs") or ()):
        yield f"envs[{index}]", None, each
    for index, each in enumerate(resource.get("labels") or ()):
        yield f"labels[{index}].value", each.get("label"), each.get("value")
    for kind in ("command", "entrypoints"):
        for index, each in enumerate(resource.get(kind) or ()):
            yield f"{kind}[{index}]", "", each
    # Its own are a mapping.
    for name, each in (resource.get("build.buildArgs") or {}).items():
        yield f"build.buildArgs.{name}", name, each


def check(resource: Resource, settings: Settings) -> Findings:
    """Each value by itself: what is not known of one hides nothing of another."""
    for where, given, text in said(resource):
        try:
            name, value = str(text).partition("=")[::2] if given is None else (given, str(text))
            found = of_value(str(name), value, settings["harmless"]) if name else shape(value)
        except UnknownUsedError as error:
            yield Unseen(error.path)
            continue
        if found:
            yield Finding(where, found)


CONTROL = ResourceControl(
    module=__name__,
    title="No secret stands in a container's variables, labels or command",
    why="whoever may look at containers or images reads it, and so does whatever lists them",
    mend="Upload it as a file that the container's user alone can read.",
    references=("PCI DSS 4.0.1 8.3.2", "PCI DSS 4.0.1 8.6.2", "GDPR Art. 32(1)(a)"),
    severity=Severity.CRITICAL,
    types=(*CONTAINERS, *IMAGES),
    # Many an address is only known later; what it is is looked at before the container is made.
    when_unknown=WhenUnknown.DEFER,
    parameters={"harmless": HARMLESS_NAMES},
    check=check,
)
