"""Spec of aws-storage-encrypted."""

from policy_aws import declares
from policy_spec import UNKNOWN, Spec, fails, passes, resource, unseen

EBS = "aws:ebs/volume:Volume"
RDS = "aws:rds/instance:Instance"
MACHINE = "aws:ec2/instance:Instance"

SPEC = Spec(
    passes={
        "a volume": passes(resource(EBS, "v", {"encrypted": True})),
        "a volume of a machine, in a text": passes(
            resource(
                "aws:ec2/launchTemplate:LaunchTemplate",
                "m",
                {"blockDeviceMappings": [{"ebs": {"encrypted": "true"}}]},
            )
        ),
        "a copy of another database": passes(resource(RDS, "db", {"replicateSourceDb": "main"})),
        "what AWS does anyway": passes(
            resource("aws:ebs/encryptionByDefault:EncryptionByDefault", "e", {})
        ),
    },
    fails={
        "a volume": fails(resource(EBS, "v", {}), at=("v", "encrypted")),
        "a database": fails(
            resource(RDS, "db", {"storageEncrypted": False}), at=("db", "storageEncrypted")
        ),
        "volumes of a machine": fails(
            resource(MACHINE, "m", {"ebsBlockDevices": [{"encrypted": True}, {}]}),
            at=(("m", "rootBlockDevice.encrypted"), ("m", "ebsBlockDevices[1].encrypted")),
        ),
        "a cache": fails(
            resource("aws:elasticache/replicationGroup:ReplicationGroup", "c", {}),
            at=("c", "atRestEncryptionEnabled"),
        ),
        "it is switched off": fails(
            resource("aws:ebs/encryptionByDefault:EncryptionByDefault", "e", {"enabled": False}),
            at=("e", "enabled"),
        ),
    },
    unknown={
        "whether": unseen(resource(EBS, "v", {"encrypted": UNKNOWN}), at=("v", "encrypted")),
        "which volumes there are": unseen(
            resource(
                MACHINE,
                "m",
                {"rootBlockDevice": {"encrypted": True}, "ebsBlockDevices": UNKNOWN},
            ),
            at=("m", "ebsBlockDevices"),
        ),
    },
    not_applicable={"keeps nothing": passes(resource("aws:ec2/vpc:Vpc", "v", {}))},
    mutations={
        "a volume": declares(
            """
            aws.ebs.Volume(
                "scratch",
                availability_zone=f"{first.name}a",
                size=10,
                kms_key_id=f"arn:aws:kms:{first.name}:{settings.account_id}:key/0a1b2c3d",
                region=first.name,
                tags=first.tags,
                opts=first.guarded(self),
            )
            """
        )
    },
)
