"""Spec of aws-trail-complete."""

from policy_aws import TRAIL
from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

FILE = "components/aws/audit.py"
WHOLE = {"isMultiRegionTrail": True, "enableLogFileValidation": True}


def trail(**properties):
    return resource(TRAIL, "trail", {**WHOLE, **properties})


SPEC = Spec(
    passes={
        "all of it": passes(trail(enableLogging=True, includeGlobalServiceEvents=True)),
        "what AWS does anyway": passes(trail()),
    },
    fails={
        "nothing is said": fails(
            resource(TRAIL, "trail", {}),
            at=(("trail", "isMultiRegionTrail"), ("trail", "enableLogFileValidation")),
        ),
        "one region": fails(trail(isMultiRegionTrail=False), at=("trail", "isMultiRegionTrail")),
        "it is off": fails(trail(enableLogging=False), at=("trail", "enableLogging")),
        "nothing of IAM": fails(
            trail(includeGlobalServiceEvents=False), at=("trail", "includeGlobalServiceEvents")
        ),
    },
    unknown={
        "whether it is on": unseen(trail(enableLogging=UNKNOWN), at=("trail", "enableLogging"))
    },
    not_applicable={"a bucket": passes(resource("aws:s3/bucket:Bucket", "trail", {}))},
    mutations={
        flag: edit("production", FILE, f"{flag}=True", f"{flag}=False")
        for flag in (
            *("is_multi_region_trail", "include_global_service_events"),
            *("enable_log_file_validation", "enable_logging"),
        )
    },
)
