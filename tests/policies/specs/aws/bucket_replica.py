"""Spec of aws-bucket-replica."""

from policy_aws import LETS_LOGS_IN, NAMELESS, OTHER, TRAILED, UNTOLD_LOGGING, VAULT, sidecar
from policy_spec import UNKNOWN, Registration, Spec, edit, fails, passes, resource, unseen

BUCKET = "aws:s3/bucket:Bucket"
DESTINATION = "rules[0].destination.bucket of side"
NEAR = resource(BUCKET, "near", {"bucket": "acme-near", "region": "eu-west-2"})
ELSEWHERE = Registration(
    "pulumi:providers:aws",
    "elsewhere",
    "urn:pulumi:production::shop::pulumi:providers:aws::elsewhere",
    {"region": "eu-west-1"},
)
BY_PROVIDER = resource(BUCKET, "far", {"bucket": "acme-far"}, provider=f"{ELSEWHERE.urn}::id")


def copying(target="acme-other", status="Enabled", prefix="", of=VAULT, **more):
    arn = target if target == UNKNOWN else f"arn:aws:s3:::{target}"
    rule = {"status": status, "filter": {"prefix": prefix}, "destination": {"bucket": arn}}
    return sidecar("BucketReplicationConfig", {"rules": [rule]}, of=of, **more)


SPEC = Spec(
    passes={
        "to a bucket by its name": passes(VAULT, OTHER, copying()),
        "to a bucket by reference": passes(VAULT, OTHER, copying(UNKNOWN, rules=OTHER)),
        "from a bucket that AWS names": passes(NAMELESS, OTHER, copying(of=NAMELESS)),
        "to a region that a provider says": passes(
            ELSEWHERE, BY_PROVIDER, VAULT, copying("acme-far")
        ),
        "to a bucket of somebody else": passes(VAULT, copying("their-vault")),
        "both ways": passes(VAULT, OTHER, copying(), copying("acme-vault", of=OTHER, name="back")),
        "it takes access logs": passes(VAULT, LETS_LOGS_IN),
        "a trail writes there": passes(VAULT, TRAILED),
    },
    fails={
        "there is none": fails(VAULT, at=("vault", "BucketReplicationConfig")),
        "it is off": fails(
            VAULT,
            OTHER,
            copying(status="Disabled"),
            at=(("vault", "rules of side"), ("other", "BucketReplicationConfig")),
        ),
        "of some objects": fails(
            VAULT, OTHER, copying(prefix="wal/"), at=("vault", "rules of side")
        ),
        "in the same region": fails(VAULT, NEAR, copying("acme-near"), at=("vault", DESTINATION)),
    },
    unknown={
        "where to": unseen(VAULT, copying(UNKNOWN), at=("vault", "rules[0].destination.bucket")),
        "in which region": unseen(
            VAULT,
            resource(BUCKET, "far", {"bucket": "acme-far"}),
            copying("acme-far"),
            at=("vault", "region of far of side"),
        ),
        "where access logs go": unseen(
            VAULT, UNTOLD_LOGGING, at=("vault", "targetBucket of somebodys-logs")
        ),
    },
    not_applicable={"no bucket": passes(resource("aws:sqs/queue:Queue", "vault", {}))},
    mutations={
        "in the same region": edit(
            "production",
            "components/vault_aws.py",
            'self._region("copy", settings.copy_region)',
            'self._region("copy", settings.region)',
        ),
        "nothing is copied": edit(
            "production",
            "components/vault_aws.py",
            'ready += replicate(f"{name}-replication", REPLICATOR, here, there, self._names, self)',
            "ready += ()",
        ),
    },
)
