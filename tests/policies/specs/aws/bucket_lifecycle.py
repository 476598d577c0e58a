"""Spec of aws-bucket-lifecycle."""

from policy_aws import VAULT, sidecar
from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

FILE = "components/aws/bucket.py"
VERSIONS = {"noncurrentVersionExpiration": {"noncurrentDays": 30}}
UPLOADS = {"abortIncompleteMultipartUpload": {"daysAfterInitiation": 7}}
RULES = ("vault", "rules of side")


def lifecycle(*rules):
    return sidecar("BucketLifecycleConfiguration", {"rules": list(rules)})


def rule(*parts, status="Enabled", **where):
    found = {"id": "a", "status": status, **where}
    for each in parts:
        found.update(each)
    return found


SPEC = Spec(
    passes={
        "two rules": passes(
            VAULT,
            lifecycle(rule(VERSIONS, filter={"prefix": ""}), rule(UPLOADS, filter={"prefix": ""})),
        ),
        "one rule, without a filter": passes(VAULT, lifecycle(rule(VERSIONS, UPLOADS))),
        "in more days, not yet known": passes(
            VAULT,
            lifecycle(rule(UPLOADS, {"noncurrentVersionExpiration": {"noncurrentDays": UNKNOWN}})),
        ),
    },
    fails={
        "there is none": fails(VAULT, at=("vault", "BucketLifecycleConfiguration")),
        "versions stay": fails(VAULT, lifecycle(rule(UPLOADS)), at=RULES),
        "abandoned uploads stay": fails(VAULT, lifecycle(rule(VERSIONS)), at=RULES),
        "it is off": fails(
            VAULT,
            lifecycle(rule(VERSIONS, UPLOADS, status="Disabled")),
            at=(RULES, ("vault", "rules of side remove no abandoned uploads. Give")),
        ),
        "of some objects": fails(
            VAULT, lifecycle(rule(UPLOADS), rule(VERSIONS, filter={"prefix": "logs/"})), at=RULES
        ),
        "of some objects, by a tag": fails(
            VAULT,
            lifecycle(rule(UPLOADS), rule(VERSIONS, filter={"tag": {"key": "old"}})),
            at=RULES,
        ),
    },
    unknown={
        "whether it is on": unseen(
            VAULT,
            lifecycle(rule(VERSIONS, UPLOADS, status=UNKNOWN)),
            at=("vault", "rules[0].status of side"),
        ),
        "of which objects": unseen(
            VAULT,
            lifecycle(rule(VERSIONS, UPLOADS, filter={"prefix": UNKNOWN})),
            at=("vault", "rules[0].filter.prefix of side"),
        ),
    },
    not_applicable={"no bucket": passes(resource("aws:sqs/queue:Queue", "vault", {}))},
    mutations={
        "versions stay": edit(
            "production",
            FILE,
            '"id": "noncurrent-versions",\n                "status": "Enabled"',
            '"id": "noncurrent-versions",\n                "status": "Disabled"',
        ),
        "there is none": edit("production", FILE, "        self._lifecycle(versioning)\n", ""),
    },
)
