"""Spec of kubernetes-rbac-bindings."""

from policy_spec import UNKNOWN, Spec, configured, edit, fails, passes, resource, unseen

CLUSTER = "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding"
ONE = "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding"


def binding(role="reader", kind="ClusterRole", subject="api", token=CLUSTER):
    return resource(
        token,
        "api",
        {
            "roleRef": {"kind": kind, "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": subject}],
        },
    )


SPEC = Spec(
    passes={
        "a role of its own": passes(binding(kind="Role", token=ONE)),
        "one for the cluster": passes(binding()),
        "one of its own by such a name": passes(binding("admin", kind="Role", token=ONE)),
    },
    fails={
        "all there is": fails(binding("cluster-admin"), at=("api", "roleRef.name")),
        "all there is in a namespace": fails(
            binding("admin", token=ONE), at=("api", "roleRef.name")
        ),
        "whoever has logged in": fails(
            binding(subject="system:authenticated"), at=("api", "subjects[0].name")
        ),
        "whoever has not": fails(
            binding(subject="system:unauthenticated"), at=("api", "subjects[0].name")
        ),
    },
    unknown={"which role": unseen(binding(UNKNOWN), at=("api", "roleRef.name"))},
    overridden={
        "another that is too much": configured(
            {"roles": ["everything"]}, fails(binding("everything"), at=("api", "roleRef.name"))
        ),
        "and then that one alone": configured({"roles": ["everything"]}, passes(binding("edit"))),
    },
    not_applicable={"no binding": passes(resource("kubernetes:core/v1:Pod", "api", {}))},
    mutations={
        "PostgreSQL may do everything": edit(
            "staging",
            "platforms/kubernetes_account.py",
            '"kind": "Role", "name": workload.name}',
            '"kind": "ClusterRole", "name": "cluster-admin"}',
        )
    },
)
