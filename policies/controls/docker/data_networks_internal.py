"""Containers that keep data are in networks that do not lead out of the machine."""

from policies.contract import (
    Finding,
    Findings,
    Settings,
    Severity,
    StackControl,
    Unseen,
    WhenUnknown,
)
from policies.reading.docker import CONTAINERS, HOST, NETWORKS, keeps_data
from policies.resources import Resource, Stack
from policies.values import Unknown

NONE = "none"
JOINED = "networksAdvanced"


def check(container: Resource, stack: Stack, settings: Settings) -> Findings:
    """Each of its networks; without any, it is in the Engine's own, which leads out."""
    if not keeps_data(container) or container.get("networkMode") in (NONE, HOST):
        return
    networks = {each.urn: each for each in stack.of(NETWORKS)}
    recorded = [networks[urn] for urn in container.references.get(JOINED, ()) if urn in networks]
    joined = container.get(JOINED) or ()
    if not joined:
        yield Finding(JOINED, "is empty: it is in the Engine's own network", container)
    for index, each in enumerate(joined):
        path, name = f"{JOINED}[{index}].name", each.get("name")
        if isinstance(name, Unknown):
            # Which of those it was made of cannot be told; that each of them is right can.
            found = recorded
        else:
            found = [one for one in networks.values() if name in _called(one)]
        if not found:
            if isinstance(name, Unknown):
                yield Unseen(path, container)
            else:
                yield Finding(path, "is no network of this program", container)
        elif not all(one.get("internal") for one in found):
            yield Finding(path, "is not internal", container)


def _called(network: Resource) -> tuple[str, ...]:
    """What is known of the names one may join it by: its id is not, before it is made."""
    found = (network.get("name"), network.get("id"))
    return tuple(each for each in found if isinstance(each, str))


CONTROL = StackControl(
    module=__name__,
    title="Containers with data are in internal networks",
    why="what can reach the world can be made to send the data there",
    mend="Join networks with internal: true, and let a router that keeps no data be in both.",
    references=("PCI DSS 4.0.1 1.3.2", "PCI DSS 4.0.1 1.4.4", "GDPR Art. 5(1)(f)"),
    severity=Severity.HIGH,
    types=(*CONTAINERS, *NETWORKS),
    subjects=CONTAINERS,
    when_unknown=WhenUnknown.BLOCK,
    check=check,
)
