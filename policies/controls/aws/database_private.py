"""Databases have no address in the internet."""

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.resources import Resource


def check(database: Resource, settings: Settings) -> Findings:
    """False where nothing is said."""
    if database.get("publiclyAccessible"):
        yield Finding("publiclyAccessible", "is true")


CONTROL = ResourceControl(
    module=__name__,
    title="Databases have no public address",
    why="everybody can then try passwords at them, and use the next weakness on its first day",
    mend="Leave publiclyAccessible out, and reach it from inside of its network.",
    references=("PCI DSS 4.0.1 1.3.1", "PCI DSS 4.0.1 1.4.4", "GDPR Art. 25(2)"),
    severity=Severity.CRITICAL,
    types=(
        "aws:rds/instance:Instance",
        "aws:rds/clusterInstance:ClusterInstance",
        "aws:redshift/cluster:Cluster",
        "aws:neptune/clusterInstance:ClusterInstance",
        "aws:dms/replicationInstance:ReplicationInstance",
        "aws:mq/broker:Broker",
    ),
    when_unknown=WhenUnknown.BLOCK,
    check=check,
)
