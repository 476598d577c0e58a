"""No identity has a policy of AWS that gives all there is."""

from collections.abc import Mapping

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.parameters import Parameter
from policies.reading.aws_policies import matches
from policies.reading.aws_values import every
from policies.resources import Resource

# {type: where ARNs of managed policies are}
ATTACHED: Mapping[str, str] = {
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": "policyArn",
    "aws:iam/userPolicyAttachment:UserPolicyAttachment": "policyArn",
    "aws:iam/groupPolicyAttachment:GroupPolicyAttachment": "policyArn",
    "aws:iam/policyAttachment:PolicyAttachment": "policyArn",
    "aws:iam/rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive": "policyArns[]",
    "aws:iam/role:Role": "managedPolicyArns[]",
}
BROAD = (
    *("AdministratorAccess*", "PowerUserAccess", "*FullAccess", "*FullAccess_v?", "*FullAccessV?"),
    *("SystemAdministrator", "DatabaseAdministrator", "NetworkAdministrator", "DataScientist"),
)


def check(resource: Resource, settings: Settings) -> Findings:
    """What a policy of one's own gives is judged where it is written."""
    for path, arn in every(resource, ATTACHED[resource.type]):
        account, _, name = (arn or "").partition(":policy/")
        if account.endswith(":iam::aws") and any(
            matches(each, name.rpartition("/")[2]) for each in settings["policies"]
        ):
            yield Finding(path, "is a policy of AWS that gives all rights to a service or more")


CONTROL = ResourceControl(
    module=__name__,
    title="Nobody has a policy of AWS that gives everything",
    why="such a policy is for any account, and so gives what this one does not need",
    mend="Attach a policy that names actions and resources.",
    references=("PCI DSS 4.0.1 7.2.2", "PCI DSS 4.0.1 7.2.5", "GDPR Art. 32(4)"),
    severity=Severity.HIGH,
    types=tuple(ATTACHED),
    when_unknown=WhenUnknown.DEFER,
    parameters={
        "policies": Parameter(
            "strings", BROAD, "Names of AWS' managed policies that nobody has; patterns."
        )
    },
    check=check,
)
