"""What goes to a server and back is encrypted on its way."""

from collections.abc import Mapping

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.reading.aws_values import every
from policies.resources import Resource

# {type: {where it is said: what it must say}}
ASKED: Mapping[str, Mapping[str, object]] = {
    "aws:elasticache/replicationGroup:ReplicationGroup": {"transitEncryptionEnabled": True},
    "aws:memorydb/cluster:Cluster": {"tlsEnabled": True},
    "aws:opensearch/domain:Domain": {
        "nodeToNodeEncryption.enabled": True,
        "domainEndpointOptions.enforceHttps": True,
    },
    "aws:msk/cluster:Cluster": {"encryptionInfo.encryptionInTransit.clientBroker": "TLS"},
    "aws:dax/cluster:Cluster": {"clusterEndpointEncryptionType": "TLS"},
    "aws:ecs/taskDefinition:TaskDefinition": {
        "volumes[].efsVolumeConfiguration.transitEncryption": "ENABLED"
    },
}
# Left out, it is what it must be.
ON_BY_DEFAULT = (
    "tlsEnabled",
    "encryptionInfo.encryptionInTransit.clientBroker",
)
LISTENER = "aws:lb/listener:Listener"
# Of a listener, in the clear; whatever runs above TCP may have its own.
CLEAR = "HTTP"


def check(resource: Resource, settings: Settings) -> Findings:
    """A listener of HTTP may send to HTTPS, and nothing else."""
    if resource.type == LISTENER:
        if resource.get("protocol") == CLEAR and not all(
            kind == "redirect" for _, kind in every(resource, "defaultActions[].type")
        ):
            yield Finding("protocol", f"is {CLEAR}, and more than a redirect")
        return
    for pattern, asked in ASKED[resource.type].items():
        for path, value in every(resource, pattern):
            if value is None and (pattern in ON_BY_DEFAULT or _is_elsewhere(resource, path)):
                continue
            if value != asked:
                yield Finding(path, f"is not {str(asked).lower() if asked is True else asked}")


def _is_elsewhere(resource: Resource, path: str) -> bool:
    """A volume of a task that is on no file system of the network."""
    volume, _, key = path.rpartition(".transitEncryption")
    return not key and any(
        where == volume and value is None
        for where, value in every(resource, "volumes[].efsVolumeConfiguration")
    )


CONTROL = ResourceControl(
    module=__name__,
    title="Connections are encrypted",
    why="whoever is in the network reads passwords and data as they pass",
    mend="Switch TLS on, and let clients use nothing else.",
    references=("PCI DSS 4.0.1 4.2.1", "PCI DSS 4.0.1 2.2.7", "GDPR Art. 32(1)(a)"),
    severity=Severity.HIGH,
    types=(*ASKED, LISTENER),
    when_unknown=WhenUnknown.BLOCK,
    check=check,
)
