"""Spec of kubernetes-token-automount."""

from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

WHERE = "spec.automountServiceAccountToken"
META = {"namespace": "shop"}


def pod(**spec):
    return resource("kubernetes:core/v1:Pod", "api", {"metadata": META, "spec": spec})


def account(**properties):
    return resource(
        "kubernetes:core/v1:ServiceAccount",
        "account",
        {"metadata": {**META, "name": "api"}, **properties},
    )


def binding(name="api", namespace="shop", kind="ServiceAccount"):
    return resource(
        "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding",
        "binding",
        {"metadata": META, "subjects": [{"kind": kind, "name": name, "namespace": namespace}]},
    )


USER = {"serviceAccountName": "api"}

SPEC = Spec(
    passes={
        "the pod has none": passes(pod(automountServiceAccountToken=False)),
        "its account has none": passes(pod(**USER), account(automountServiceAccountToken=False)),
        "its account may do something": passes(pod(**USER), account(), binding()),
    },
    fails={
        "nobody says anything": fails(pod(), at=("api", WHERE)),
        "its account has none, but the pod does": fails(
            pod(**USER, automountServiceAccountToken=True),
            account(automountServiceAccountToken=False),
            at=("api", WHERE),
        ),
        "another account may do something": fails(
            pod(**USER), account(), binding("web"), at=("api", WHERE)
        ),
        "one of another namespace may": fails(
            pod(**USER), account(), binding(namespace="other"), at=("api", WHERE)
        ),
        "a person of that name may": fails(
            pod(**USER), account(), binding(kind="User"), at=("api", WHERE)
        ),
    },
    unknown={
        "the account's name": unseen(
            pod(serviceAccountName=UNKNOWN), at=("api", "spec.serviceAccountName")
        ),
        "who is bound": unseen(pod(**USER), binding(UNKNOWN), at=("api", "subjects[0].name")),
    },
    not_applicable={"no pod": passes(account())},
    mutations={
        "everybody has one": edit(
            "staging",
            "platforms/kubernetes_pod.py",
            '"automountServiceAccountToken": workload.asks_platform',
            '"automountServiceAccountToken": True',
        )
    },
)
