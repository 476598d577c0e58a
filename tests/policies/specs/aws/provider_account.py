"""Spec of aws-provider-account."""

import json

from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

PROVIDER = "pulumi:providers:aws"
AT = ("cloud", "allowedAccountIds")


def provider(**properties):
    return resource(PROVIDER, "cloud", {"region": "eu-west-2", **properties})


SPEC = Spec(
    passes={
        "one account": passes(provider(allowedAccountIds=json.dumps(["123456789012"]))),
        "one account, as a list": passes(provider(allowedAccountIds=["123456789012"])),
    },
    fails={
        "nothing is said": fails(provider(), at=AT),
        "none": fails(provider(allowedAccountIds="[]"), at=AT),
        "all but one": fails(provider(forbiddenAccountIds='["123456789012"]'), at=AT),
    },
    unknown={"which": unseen(provider(allowedAccountIds=UNKNOWN), at=AT)},
    not_applicable={"of another cloud": passes(resource("pulumi:providers:gcp", "cloud", {}))},
    mutations={
        "nothing is said": edit(
            "production",
            "components/aws/region.py",
            "            allowed_account_ids=[account_id],\n",
            "",
        )
    },
)
