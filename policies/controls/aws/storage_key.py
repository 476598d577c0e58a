"""Volumes and databases are encrypted with keys one governs."""

from collections.abc import Mapping

from policies.contract import (
    Finding,
    Findings,
    Level,
    ResourceControl,
    Settings,
    Severity,
    WhenUnknown,
)
from policies.environment import PerEnvironment
from policies.reading.aws_values import AWS_MANAGED, every
from policies.resources import Resource

# {type: where the key is}
KEYS: Mapping[str, tuple[str, ...]] = {
    "aws:ebs/volume:Volume": ("kmsKeyId",),
    "aws:ebs/snapshotCopy:SnapshotCopy": ("kmsKeyId",),
    "aws:ec2/instance:Instance": ("rootBlockDevice.kmsKeyId", "ebsBlockDevices[].kmsKeyId"),
    "aws:ec2/launchTemplate:LaunchTemplate": ("blockDeviceMappings[].ebs.kmsKeyId",),
    "aws:rds/instance:Instance": ("kmsKeyId",),
    "aws:rds/cluster:Cluster": ("kmsKeyId",),
    "aws:docdb/cluster:Cluster": ("kmsKeyId",),
    "aws:neptune/cluster:Cluster": ("kmsKeyArn",),
    "aws:redshift/cluster:Cluster": ("kmsKeyId",),
    "aws:efs/fileSystem:FileSystem": ("kmsKeyId",),
    "aws:elasticache/replicationGroup:ReplicationGroup": ("kmsKeyId",),
    "aws:memorydb/cluster:Cluster": ("kmsKeyArn",),
    "aws:opensearch/domain:Domain": ("encryptAtRest.kmsKeyId",),
    "aws:dynamodb/table:Table": ("serverSideEncryption.kmsKeyArn",),
    "aws:secretsmanager/secret:Secret": ("kmsKeyId",),
    "aws:backup/vault:Vault": ("kmsKeyArn",),
}
# A copy of another database in the same region takes its key from there.
TAKEN_FROM = ("replicateSourceDb",)


def check(resource: Resource, settings: Settings) -> Findings:
    """Without a key, AWS takes its own, which nobody else can take away or watch."""
    if any(resource.get(each) for each in TAKEN_FROM):
        return
    for pattern in KEYS[resource.type]:
        for path, key in every(resource, pattern):
            if not key:
                yield Finding(path, "is missing")
            elif AWS_MANAGED in key:
                yield Finding(path, "is AWS' own key")


CONTROL = ResourceControl(
    module=__name__,
    title="What is stored is encrypted with keys one governs",
    why="a key of AWS' own cannot be taken from anybody, nor from what was copied",
    mend="Set it to a key of your own that rotates.",
    references=("PCI DSS 4.0.1 3.6.1", "GDPR Art. 32(1)(a)", "FCA SYSC 8.1.8"),
    severity=Severity.MEDIUM,
    types=tuple(KEYS),
    # An ARN is not known before the key is there.
    when_unknown=WhenUnknown.DEFER,
    enforcement=PerEnvironment(Level.ADVISORY, Level.ADVISORY, Level.MANDATORY),
    check=check,
)
