"""Spec of aws-transit-encrypted."""

from policy_aws import declares
from policy_spec import UNKNOWN, Spec, fails, passes, resource, unseen

CACHE = "aws:elasticache/replicationGroup:ReplicationGroup"
LISTENER = "aws:lb/listener:Listener"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
SEARCH = "aws:opensearch/domain:Domain"


def listener(kind, protocol="HTTP"):
    return resource(LISTENER, "web", {"protocol": protocol, "defaultActions": [{"type": kind}]})


SPEC = Spec(
    passes={
        "a cache": passes(resource(CACHE, "c", {"transitEncryptionEnabled": True})),
        "what AWS does anyway": passes(resource("aws:memorydb/cluster:Cluster", "c", {})),
        "HTTPS": passes(listener("forward", "HTTPS")),
        "HTTP that sends to HTTPS": passes(listener("redirect")),
        "a volume of a task": passes(
            resource(
                TASK,
                "t",
                {"volumes": [{"efsVolumeConfiguration": {"transitEncryption": "ENABLED"}}]},
            )
        ),
        "a volume on the machine": passes(resource(TASK, "t", {"volumes": [{"name": "scratch"}]})),
    },
    fails={
        "a cache": fails(resource(CACHE, "c", {}), at=("c", "transitEncryptionEnabled")),
        "a search": fails(
            resource(SEARCH, "s", {"nodeToNodeEncryption": {"enabled": True}}),
            at=("s", "domainEndpointOptions.enforceHttps"),
        ),
        "HTTP": fails(listener("forward"), at=("web", "protocol")),
        "a queue that takes both": fails(
            resource(
                "aws:msk/cluster:Cluster",
                "q",
                {"encryptionInfo": {"encryptionInTransit": {"clientBroker": "TLS_PLAINTEXT"}}},
            ),
            at=("q", "encryptionInfo.encryptionInTransit.clientBroker"),
        ),
        "a volume of a task": fails(
            resource(TASK, "t", {"volumes": [{"efsVolumeConfiguration": {"fileSystemId": "fs"}}]}),
            at=("t", "volumes[0].efsVolumeConfiguration.transitEncryption"),
        ),
    },
    unknown={
        "whether": unseen(
            resource(CACHE, "c", {"transitEncryptionEnabled": UNKNOWN}),
            at=("c", "transitEncryptionEnabled"),
        ),
        "by what": unseen(listener("forward", UNKNOWN), at=("web", "protocol")),
    },
    not_applicable={"no server": passes(resource("aws:ec2/vpc:Vpc", "v", {}))},
    mutations={
        "a cache": declares(
            """
            aws.elasticache.ReplicationGroup(
                "sessions",
                description="sessions",
                at_rest_encryption_enabled=True,
                kms_key_id=f"arn:aws:kms:{first.name}:{settings.account_id}:key/0a1b2c3d",
                snapshot_retention_limit=35,
                transit_encryption_enabled=False,
                region=first.name,
                tags=first.tags,
                opts=first.guarded(self),
            )
            """
        )
    },
)
