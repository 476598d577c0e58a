"""Data stay in the regions they may be in."""

from collections.abc import Mapping

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.parameters import Parameter
from policies.reading.aws_values import PROVIDERS, every
from policies.resources import Resource

# Those in the European Union and in the United Kingdom.
ALLOWED = (
    *("eu-central-1", "eu-north-1", "eu-south-1", "eu-south-2"),
    *("eu-west-1", "eu-west-2", "eu-west-3"),
)
# {type: where regions are to which it copies}
COPIES: Mapping[str, str] = {
    "aws:dynamodb/table:Table": "replicas[].regionName",
    "aws:secretsmanager/secret:Secret": "replicas[].region",
    "aws:ecr/replicationConfiguration:ReplicationConfiguration": (
        "replicationConfiguration.rules[].destinations[].region"
    ),
}
# {type: where ARNs are of what it copies to}
COPIED_TO: Mapping[str, str] = {
    "aws:backup/plan:Plan": "rules[].copyActions[].destinationVaultArn",
}


def check(resource: Resource, settings: Settings) -> Findings:
    """A region of a resource's own, where it is not its provider's, which is judged itself."""
    allowed = settings["regions"]
    own = resource.get("region")
    if resource.type in PROVIDERS and not own:
        yield Finding("region", "is missing: whoever runs the program decides by his environment")
    elif own is not None and own not in allowed and own != resource.provider.get("region"):
        yield Finding("region", "is not an allowed region")
    for path, region in every(resource, COPIES.get(resource.type, "region")):
        if path != "region" and region not in allowed:
            yield Finding(path, "is not an allowed region")
    for path, arn in every(resource, COPIED_TO.get(resource.type, "region")):
        if path != "region" and arn.split(":")[3] not in allowed:
            yield Finding(path, "is in a region that is not allowed")


CONTROL = ResourceControl(
    module=__name__,
    title="Data stay in allowed regions",
    why="elsewhere other laws hold, and personal data may not be there at all",
    mend="Use a region of setting regions of this control, and say it at the provider.",
    references=("GDPR Art. 44", "FCA SYSC 8.1.8", "PCI DSS 4.0.1 2.2.1"),
    severity=Severity.HIGH,
    types=(*PROVIDERS, "aws:*"),
    when_unknown=WhenUnknown.BLOCK,
    parameters={"regions": Parameter("strings", ALLOWED, "Regions in which anything may be made.")},
    check=check,
)
