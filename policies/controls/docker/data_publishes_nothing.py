"""Containers that keep data publish no port."""

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.reading.docker import CONTAINERS, keeps_data, ports
from policies.resources import Resource


def check(container: Resource, settings: Settings) -> Findings:
    """In the host's network, or told to publish all, it publishes every port it listens on."""
    if not keeps_data(container):
        return
    for path, _ in ports(container):
        yield Finding(path, "is published")
    if container.get("publishAllPorts"):
        yield Finding("publishAllPorts", "is true")
    if container.get("networkMode") == "host":
        yield Finding("networkMode", "is host")


CONTROL = ResourceControl(
    module=__name__,
    title="Containers with data publish no port",
    why="whoever reaches a database itself passes by the routers that check and encrypt",
    mend="Publish the port of a router that keeps no data, and reach this one by their network.",
    references=("PCI DSS 4.0.1 1.3.1", "PCI DSS 4.0.1 1.4.4", "GDPR Art. 25(2)"),
    severity=Severity.CRITICAL,
    types=CONTAINERS,
    when_unknown=WhenUnknown.BLOCK,
    check=check,
)
