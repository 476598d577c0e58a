"""Spec of kubernetes-rbac-wildcards."""

from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

ROLE = "kubernetes:rbac.authorization.k8s.io/v1:Role"
CLUSTER_ROLE = "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole"


def role(token=ROLE, **rule):
    plain = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
    return resource(token, "reader", {"rules": [plain, {**plain, **rule}]})


SPEC = Spec(
    passes={"all is named": passes(role()), "no rule": passes(resource(ROLE, "reader", {}))},
    fails={
        "every verb": fails(role(verbs=["*"]), at=("reader", "rules[1].verbs")),
        "every resource": fails(
            role(CLUSTER_ROLE, resources=["*"]), at=("reader", "rules[1].resources")
        ),
        "every group": fails(role(apiGroups=["*"]), at=("reader", "rules[1].apiGroups")),
        "every address": fails(
            role(CLUSTER_ROLE, nonResourceURLs=["*"]), at=("reader", "rules[1].nonResourceURLs")
        ),
        "to be somebody else": fails(
            role(CLUSTER_ROLE, resources=["users"], verbs=["impersonate"]),
            at=("reader", "rules[1].verbs"),
        ),
        "to give itself more": fails(
            role(resources=["roles"], verbs=["get", "escalate"]), at=("reader", "rules[1].verbs")
        ),
    },
    unknown={
        "the rules": unseen(resource(ROLE, "reader", {"rules": UNKNOWN}), at=("reader", "rules"))
    },
    not_applicable={"no role": passes(resource("kubernetes:core/v1:Pod", "reader", {}))},
    mutations={
        "whatever with pods": edit(
            "staging",
            "platforms/kubernetes_account.py",
            '"resources": ["pods"], "verbs": ["list", "watch"]',
            '"resources": ["pods"], "verbs": ["*"]',
        ),
        "to look at everything": edit(
            "production",
            "platforms/kubernetes_account.py",
            '"resources": ["pods"], "verbs": ["list", "watch"]',
            '"resources": ["*"], "verbs": ["list", "watch"]',
        ),
    },
)
