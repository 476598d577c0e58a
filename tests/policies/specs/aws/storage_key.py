"""Spec of aws-storage-key."""

from policy_aws import declares
from policy_spec import UNKNOWN, Spec, fails, passes, resource, unseen

EBS = "aws:ebs/volume:Volume"
KEY = "arn:aws:kms:eu-west-2:123456789012:key/0a1b2c3d"

SPEC = Spec(
    passes={
        "one's own": passes(resource(EBS, "v", {"encrypted": True, "kmsKeyId": KEY})),
        "a copy of another database": passes(
            resource("aws:rds/instance:Instance", "db", {"replicateSourceDb": "main"})
        ),
    },
    fails={
        "AWS' own, as nothing is said": fails(
            resource(EBS, "v", {"encrypted": True}), at=("v", "kmsKeyId")
        ),
        "AWS' own, by its alias": fails(
            resource(EBS, "v", {"kmsKeyId": "alias/aws/ebs"}), at=("v", "kmsKeyId")
        ),
        "of a table": fails(
            resource("aws:dynamodb/table:Table", "t", {"serverSideEncryption": {"enabled": True}}),
            at=("t", "serverSideEncryption.kmsKeyArn"),
        ),
        "volumes of a machine": fails(
            resource(
                "aws:ec2/instance:Instance",
                "m",
                {"rootBlockDevice": {"kmsKeyId": KEY}, "ebsBlockDevices": [{}]},
            ),
            at=("m", "ebsBlockDevices[0].kmsKeyId"),
        ),
    },
    unknown={"which": unseen(resource(EBS, "v", {"kmsKeyId": UNKNOWN}), at=("v", "kmsKeyId"))},
    not_applicable={"keeps nothing": passes(resource("aws:ec2/vpc:Vpc", "v", {}))},
    mutations={
        "AWS' own": declares(
            """
            aws.ebs.Volume(
                "scratch",
                availability_zone=f"{first.name}a",
                size=10,
                encrypted=True,
                region=first.name,
                tags=first.tags,
                opts=first.guarded(self),
            )
            """
        )
    },
)
