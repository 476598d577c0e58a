"""Spec of aws-key-deletion."""

from policy_spec import UNKNOWN, Spec, configured, edit, fails, passes, resource, unseen

AT = ("vault-key", "deletionWindowInDays")


def key(token="aws:kms/key:Key", **properties):
    return resource(token, "vault-key", properties)


SPEC = Spec(
    passes={
        "as long as there is": passes(key(deletionWindowInDays=30)),
        "nothing is said": passes(key()),
    },
    fails={
        "a week": fails(key(deletionWindowInDays=7), at=AT),
        "of a key from another region": fails(
            key("aws:kms/replicaKey:ReplicaKey", deletionWindowInDays=7), at=AT
        ),
    },
    unknown={"how long": unseen(key(deletionWindowInDays=UNKNOWN), at=AT)},
    overridden={
        "a week will do": configured({"minimum_days": 7}, passes(key(deletionWindowInDays=7))),
        "in staging a week will do": configured(
            {}, passes(key(deletionWindowInDays=7)), environment="staging"
        ),
        "as long as there is is asked for": configured(
            {"minimum_days": 30},
            fails(key(deletionWindowInDays=29), at=AT),
            environment="staging",
        ),
    },
    not_applicable={"no key": passes(resource("aws:kms/alias:Alias", "vault-key", {}))},
    mutations={
        "a week": edit(
            "production",
            "components/aws/key.py",
            "deletion_window_in_days=deletion_window_days",
            "deletion_window_in_days=7",
        )
    },
)
