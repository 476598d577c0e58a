"""What containers publish binds to allowed addresses."""

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.parameters import Parameter
from policies.reading.docker import CONTAINERS, EVERYWHERE, ports
from policies.resources import Resource


def check(container: Resource, settings: Settings) -> Findings:
    """Without an address, the Engine listens on all."""
    for path, port in ports(container):
        if (port.get("ip") or EVERYWHERE) not in settings["addresses"]:
            yield Finding(f"{path}.ip", "is not an allowed address")


CONTROL = ResourceControl(
    module=__name__,
    title="Published ports bind to allowed addresses",
    why="a port on all addresses is open to every network the machine is in, past its firewall",
    mend="Set ip to an address of setting addresses of this control, such as 127.0.0.1.",
    references=("PCI DSS 4.0.1 1.2.5", "PCI DSS 4.0.1 1.3.1", "GDPR Art. 25(2)"),
    severity=Severity.HIGH,
    types=CONTAINERS,
    when_unknown=WhenUnknown.BLOCK,
    parameters={
        "addresses": Parameter(
            "strings", ("127.0.0.1", "::1"), "Addresses on which ports may be published."
        )
    },
    check=check,
)
