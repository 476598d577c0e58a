"""Load balancers are not for the internet."""

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.parameters import Parameter
from policies.reading.kubernetes import SERVICES
from policies.resources import Resource

# By which the load balancers of Amazon, Google and Microsoft know it.
INTERNAL = (
    "service.beta.kubernetes.io/aws-load-balancer-scheme=internal",
    "service.beta.kubernetes.io/aws-load-balancer-internal=true",
    "networking.gke.io/load-balancer-type=Internal",
    "cloud.google.com/load-balancer-type=Internal",
    "service.beta.kubernetes.io/azure-load-balancer-internal=true",
)


def check(service: Resource, settings: Settings) -> Findings:
    """One of the annotations suffices; one of their names with another value does not pass."""
    if service.get("spec.type") != "LoadBalancer":
        return
    given = service.get("metadata.annotations") or {}
    wanted = [each.partition("=")[::2] for each in settings["annotations"]]
    if any(name in given and given[name] != value for name, value in wanted):
        yield Finding("metadata.annotations", "say that the load balancer is not internal")
    elif not any(name in given for name, _ in wanted):
        yield Finding("metadata.annotations", "do not say that the load balancer is internal")


CONTROL = ResourceControl(
    module=__name__,
    title="Load balancers are internal",
    why="what is open to the internet is tried by everybody within minutes",
    mend="Give the Service the annotation by which your cloud makes an internal load balancer.",
    references=("PCI DSS 4.0.1 1.4.2", "PCI DSS 4.0.1 1.4.4", "GDPR Art. 25(2)"),
    severity=Severity.CRITICAL,
    types=SERVICES,
    when_unknown=WhenUnknown.BLOCK,
    parameters={
        "annotations": Parameter(
            "strings", INTERNAL, "Annotations, name=value, that make one internal."
        )
    },
    check=check,
)
