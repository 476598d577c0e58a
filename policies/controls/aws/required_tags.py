"""What belongs to whom can be told by tags."""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.parameters import Parameter
from policies.reading.aws import BUCKETS
from policies.reading.aws_values import decoded
from policies.resources import Resource

# What is paid for, holds data or has rights, and takes tags.
TAGGED = (
    *BUCKETS,
    "aws:kms/key:Key",
    "aws:iam/role:Role",
    "aws:cloudtrail/trail:Trail",
    "aws:cloudwatch/logGroup:LogGroup",
    "aws:wafv2/webAcl:WebAcl",
    "aws:rds/instance:Instance",
    "aws:rds/cluster:Cluster",
    "aws:docdb/cluster:Cluster",
    "aws:redshift/cluster:Cluster",
    "aws:dynamodb/table:Table",
    "aws:elasticache/replicationGroup:ReplicationGroup",
    "aws:opensearch/domain:Domain",
    "aws:ebs/volume:Volume",
    "aws:efs/fileSystem:FileSystem",
    "aws:ec2/instance:Instance",
    "aws:ec2/vpc:Vpc",
    "aws:eks/cluster:Cluster",
    "aws:ecr/repository:Repository",
    "aws:ecs/cluster:Cluster",
    "aws:lambda/function:Function",
    "aws:lb/loadBalancer:LoadBalancer",
    "aws:secretsmanager/secret:Secret",
    "aws:sns/topic:Topic",
    "aws:sqs/queue:Queue",
    "aws:backup/vault:Vault",
)


def check(resource: Resource, settings: Settings) -> Findings:
    """The provider's default tags count."""
    there = set(_tags(resource))
    for tag in settings["tags"]:
        if tag not in there:
            yield Finding(f"tags.{tag}", "is missing")


def _tags(resource: Resource) -> Iterator[str]:
    yield from resource.get("tags") or ()
    default: Any = decoded(resource.provider.get("defaultTags") or {})
    if isinstance(default, Mapping):
        yield from decoded(default.get("tags") or {})


CONTROL = ResourceControl(
    module=__name__,
    title="Resources say whose they are",
    why="what nobody knows to be theirs is not looked after, and not deleted",
    mend="Give it the tags of setting tags of this control, or the provider defaultTags.",
    references=("PCI DSS 4.0.1 12.5.1", "FCA SYSC 15A.4.1"),
    severity=Severity.LOW,
    types=TAGGED,
    when_unknown=WhenUnknown.DEFER,
    parameters={
        "tags": Parameter(
            "strings", ("Project", "Stack", "Component"), "Names of tags that all resources have."
        )
    },
    check=check,
)
