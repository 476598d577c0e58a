"""Spec of aws-data-events."""

from policy_aws import (
    LETS_LOGS_IN,
    NAMELESS,
    OTHER,
    TRAIL,
    TRAILED,
    UNTOLD_LOGGING,
    VAULT,
)
from policy_spec import UNKNOWN, Spec, configured, edit, fails, passes, resource, unseen

AT = ("vault", "name")


def fields(*arns, **more):
    found = [
        {"field": "eventCategory", "equals": ["Data"]},
        {"field": "resources.type", "equals": ["AWS::S3::Object"]},
    ]
    if arns:
        found.append({"field": "resources.ARN", "startsWiths": list(arns)})
    found += [{"field": field, **value} for field, value in more.items()]
    return {"fieldSelectors": found}


def trail(*selectors, **more):
    return resource(TRAIL, "trail", {"advancedEventSelectors": list(selectors)}, **more)


def of_old(*values, **more):
    selector = {"dataResources": [{"type": "AWS::S3::Object", "values": list(values)}], **more}
    return resource(TRAIL, "trail", {"eventSelectors": [selector]})


OWN = "arn:aws:s3:::acme-vault/"

SPEC = Spec(
    passes={
        "the bucket": passes(VAULT, trail(fields(OWN))),
        "one of several": passes(VAULT, OTHER, trail(fields("arn:aws:s3:::acme-other/", OWN))),
        "all buckets": passes(VAULT, trail(fields())),
        "the bucket, in the old way": passes(VAULT, of_old(OWN)),
        "all buckets, in the old way": passes(VAULT, of_old("arn:aws:s3")),
        "a bucket that AWS names, by reference": passes(
            NAMELESS, trail(fields(UNKNOWN), taken_from={"advancedEventSelectors": NAMELESS})
        ),
        "it takes access logs": passes(VAULT, LETS_LOGS_IN),
        "a trail writes there": passes(VAULT, TRAILED),
    },
    fails={
        "no trail": fails(VAULT, at=AT),
        "another bucket": fails(VAULT, trail(fields("arn:aws:s3:::acme-vaults/")), at=AT),
        "some objects": fails(VAULT, trail(fields(f"{OWN}wal/")), at=AT),
        "writes alone": fails(VAULT, trail(fields(OWN, readOnly={"equals": ["false"]})), at=AT),
        "writes alone, in the old way": fails(VAULT, of_old(OWN, readWriteType="WriteOnly"), at=AT),
        "management alone": fails(
            VAULT,
            trail({"fieldSelectors": [{"field": "eventCategory", "equals": ["Management"]}]}),
            at=AT,
        ),
        "no selectors": fails(VAULT, trail(), at=AT),
    },
    unknown={
        "which buckets": unseen(
            VAULT,
            trail(fields(UNKNOWN)),
            at=("vault", "advancedEventSelectors[0].fieldSelectors[2].startsWiths[0]"),
        ),
        "where access logs go": unseen(
            VAULT, UNTOLD_LOGGING, at=("vault", "targetBucket of somebodys-logs")
        ),
    },
    overridden={
        "another trail watches": configured({"trail_elsewhere": True}, passes(VAULT)),
    },
    not_applicable={"no bucket": passes(trail(fields("arn:aws:s3:::their-vault/")))},
    mutations={
        "the copy is not watched": edit(
            "production",
            "components/vault_aws.py",
            "[each.bucket.name for each in ends.values()],",
            "[here.bucket.name],",
        ),
        "writes alone": edit(
            "production",
            "components/aws/audit.py",
            '_objects("every object of the vault", watched)',
            '_objects("every object of the vault", watched, {"not_equals": ["GetObject"]})',
        ),
    },
)
