"""Volumes, databases and queues are encrypted at rest."""

from collections.abc import Mapping

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.reading.aws_values import every
from policies.resources import Resource

# {type: where it is said, each of which must be true}. What AWS encrypts in any case is not here.
FLAGS: Mapping[str, tuple[str, ...]] = {
    "aws:ebs/volume:Volume": ("encrypted",),
    "aws:ebs/snapshotCopy:SnapshotCopy": ("encrypted",),
    "aws:ebs/encryptionByDefault:EncryptionByDefault": ("enabled",),
    "aws:ec2/instance:Instance": ("rootBlockDevice.encrypted", "ebsBlockDevices[].encrypted"),
    "aws:ec2/launchTemplate:LaunchTemplate": ("blockDeviceMappings[].ebs.encrypted",),
    "aws:rds/instance:Instance": ("storageEncrypted",),
    "aws:rds/cluster:Cluster": ("storageEncrypted",),
    "aws:docdb/cluster:Cluster": ("storageEncrypted",),
    "aws:neptune/cluster:Cluster": ("storageEncrypted",),
    "aws:redshift/cluster:Cluster": ("encrypted",),
    "aws:efs/fileSystem:FileSystem": ("encrypted",),
    "aws:elasticache/replicationGroup:ReplicationGroup": ("atRestEncryptionEnabled",),
    "aws:opensearch/domain:Domain": ("encryptAtRest.enabled",),
    "aws:elasticsearch/domain:Domain": ("encryptAtRest.enabled",),
    "aws:dax/cluster:Cluster": ("serverSideEncryption.enabled",),
}
# Left out, it is true.
ON_BY_DEFAULT = ("aws:ebs/encryptionByDefault:EncryptionByDefault", "aws:redshift/cluster:Cluster")
# A member of a cluster, or a copy, takes its encryption from there.
TAKEN_FROM = ("replicateSourceDb", "replicationSourceIdentifier", "globalReplicationGroupId")


def check(resource: Resource, settings: Settings) -> Findings:
    """Some of these are texts on the wire."""
    for pattern in FLAGS[resource.type]:
        for path, value in every(resource, pattern):
            if value is None and resource.type in ON_BY_DEFAULT:
                continue
            if value is None and any(resource.get(each) for each in TAKEN_FROM):
                continue
            if str(value).lower() != "true":
                yield Finding(path, "is not true")


CONTROL = ResourceControl(
    module=__name__,
    title="What is stored is encrypted",
    why="a snapshot that is shared by mistake, or a disk that is thrown away, can be read",
    mend="Set it to true, which for most of these has to be done before there are data.",
    references=("PCI DSS 4.0.1 3.5.1", "PCI DSS 4.0.1 9.4.1.1", "GDPR Art. 32(1)(a)"),
    severity=Severity.HIGH,
    types=tuple(FLAGS),
    when_unknown=WhenUnknown.BLOCK,
    check=check,
)
