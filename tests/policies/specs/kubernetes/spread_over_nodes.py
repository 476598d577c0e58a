"""Spec of kubernetes-spread-over-nodes."""

from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, setting, unseen
from policy_stacks import ON_KUBERNETES

LABELS = {"app": "db"}
MATCH = {"matchLabels": LABELS}
NODE = "kubernetes.io/hostname"
WHERE = "spec.template.spec.topologySpreadConstraints"


def servers(*constraints, count=3, **pod):
    return resource(
        "kubernetes:apps/v1:StatefulSet",
        "db",
        {
            "spec": {
                "replicas": count,
                "template": {
                    "metadata": {"labels": LABELS},
                    "spec": {"topologySpreadConstraints": list(constraints), **pod},
                },
            }
        },
    )


def spread(key=NODE, **more):
    return {
        "topologyKey": key,
        "maxSkew": 1,
        "minDomains": 3,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": MATCH,
        **more,
    }


def apart(kind, **more):
    rule = {"topologyKey": NODE, "labelSelector": MATCH, **more}
    return {"podAntiAffinity": {kind: [rule]}}


REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"

SPEC = Spec(
    passes={
        "each on a node of its own": passes(servers(spread())),
        "no majority on one": passes(servers(spread(), count=5)),
        "kept apart": passes(servers(affinity=apart(REQUIRED))),
    },
    fails={
        "nothing": fails(servers(), at=("db", WHERE)),
        "where there is room": fails(
            servers(spread(whenUnsatisfiable="ScheduleAnyway")), at=("db", WHERE)
        ),
        "over zones alone": fails(servers(spread("topology.kubernetes.io/zone")), at=("db", WHERE)),
        "evenly on the only node": fails(servers(spread(minDomains=None)), at=("db", WHERE)),
        "two on one": fails(servers(spread(minDomains=2)), at=("db", WHERE)),
        "as unevenly as they like": fails(servers(spread(maxSkew=3)), at=("db", WHERE)),
        "others": fails(
            servers(spread(labelSelector={"matchLabels": {"app": "api"}})), at=("db", WHERE)
        ),
        "apart where there is room": fails(
            servers(affinity=apart("preferredDuringSchedulingIgnoredDuringExecution")),
            at=("db", WHERE),
        ),
    },
    unknown={
        "how many": unseen(servers(count=UNKNOWN), at=("db", "spec.replicas")),
        "how": unseen(servers(spread(minDomains=UNKNOWN)), at=("db", f"{WHERE}[0].minDomains")),
    },
    not_applicable={
        "there is one": passes(servers(count=1)),
        "no servers": passes(resource("kubernetes:core/v1:Pod", "db", {})),
    },
    mutations={
        "where there is room": setting(
            "production", kubernetes={**ON_KUBERNETES["kubernetes"], "spread": "preferred"}
        ),
        "evenly on the only node": edit(
            "production",
            "platforms/kubernetes_pod.py",
            'nodes["minDomains"] = workload.replicas',
            'nodes["minDomains"] = 1',
        ),
    },
)
