"""Spec of kubernetes-disruption-budget."""

from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

META = {"namespace": "shop"}
LABELS = {"app": "db"}
MATCH = {"matchLabels": LABELS}


def servers(count=3):
    return resource(
        "kubernetes:apps/v1:StatefulSet",
        "db",
        {
            "metadata": META,
            "spec": {"replicas": count, "template": {"metadata": {"labels": LABELS}}},
        },
    )


def budget(selector=MATCH, namespace="shop", **spec):
    return resource(
        "kubernetes:policy/v1:PodDisruptionBudget",
        "budget",
        {"metadata": {"namespace": namespace}, "spec": {"selector": selector, **spec}},
    )


WHERE = "spec of PodDisruptionBudget budget"

SPEC = Spec(
    passes={
        "one may be away": passes(servers(), budget(maxUnavailable=1)),
        "nothing is said, which is one": passes(servers(), budget()),
        "two must be there": passes(servers(), budget(minAvailable=2)),
        "half of them, which is two": passes(servers(), budget(minAvailable="50%")),
        "two of five": passes(servers(5), budget(maxUnavailable=2)),
        "one of two": passes(servers(2), budget(maxUnavailable=1)),
        "all there are": passes(servers(), budget(selector={}, maxUnavailable=1)),
        "by an expression": passes(
            servers(),
            budget({"matchExpressions": [{"key": "app", "operator": "In", "values": ["db"]}]}),
        ),
    },
    fails={
        "none": fails(servers(), at=("db", "PodDisruptionBudget")),
        "of others": fails(
            servers(), budget({"matchLabels": {"app": "api"}}), at=("db", "PodDisruptionBudget")
        ),
        "of all but these": fails(
            servers(),
            budget({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}),
            at=("db", "PodDisruptionBudget"),
        ),
        "of another namespace": fails(
            servers(), budget(namespace="web"), at=("db", "PodDisruptionBudget")
        ),
        "two of three may be away": fails(servers(), budget(maxUnavailable=2), at=("db", WHERE)),
        "one must be there": fails(servers(), budget(minAvailable=1), at=("db", WHERE)),
        "half of them, which is two": fails(
            servers(), budget(maxUnavailable="50%"), at=("db", WHERE)
        ),
    },
    unknown={
        "how many there are": unseen(servers(UNKNOWN), budget(), at=("db", "spec.replicas")),
        "whom it is for": unseen(
            servers(), budget(UNKNOWN), at=("db", "spec.selector of PodDisruptionBudget budget")
        ),
        "how many may be away": unseen(
            servers(), budget(maxUnavailable=UNKNOWN), at=("db", "spec.maxUnavailable")
        ),
    },
    not_applicable={
        "there is one": passes(servers(1)),
        "no servers": passes(budget()),
    },
    mutations={
        "two at once": edit(
            "staging",
            "platforms/kubernetes_servers.py",
            '"maxUnavailable": 1,',
            '"maxUnavailable": 2,',
        ),
        "none": edit(
            "production",
            "platforms/kubernetes_servers.py",
            "if workload.replicas == 1:",
            "if workload.replicas >= 1:",
        ),
    },
)
