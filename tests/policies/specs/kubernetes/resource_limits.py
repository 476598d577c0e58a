"""Spec of kubernetes-resource-limits."""

from policy_spec import UNKNOWN, Spec, configured, edit, fails, passes, resource, unseen

WHERE = "spec.template.spec.containers[0].resources"
BOTH = {"cpu": "1", "memory": "1Gi"}


def api(resources):
    spec = {"containers": [{"name": "api", "resources": resources}]}
    return resource("kubernetes:apps/v1:Deployment", "api", {"spec": {"template": {"spec": spec}}})


SPEC = Spec(
    passes={
        "all are set": passes(api({"limits": BOTH, "requests": BOTH})),
        "requests are the limits": passes(api({"limits": BOTH})),
    },
    fails={
        "none is set": fails(
            api({}),
            at=tuple(
                ("api", f"{WHERE}.{kind}.{what}")
                for kind in ("limits", "requests")
                for what in ("cpu", "memory")
            ),
        ),
        "no limit of memory": fails(
            api({"limits": {"cpu": "1"}, "requests": BOTH}), at=("api", f"{WHERE}.limits.memory")
        ),
        "nothing is kept free": fails(
            api({"limits": BOTH, "requests": {"memory": "0"}}),
            at=("api", f"{WHERE}.requests.memory"),
        ),
    },
    unknown={
        "the limits": unseen(api({"limits": UNKNOWN}), at=("api", f"{WHERE}.limits")),
    },
    overridden={
        "the processor may be had by whoever needs it": configured(
            {"quantities": ["limits.memory", "requests.cpu", "requests.memory"]},
            passes(api({"limits": {"memory": "1Gi"}, "requests": BOTH})),
        )
    },
    not_applicable={"no pod": passes(resource("kubernetes:core/v1:Service", "api", {}))},
    mutations={
        "memory without a limit": edit(
            "staging",
            "platforms/kubernetes_pod.py",
            '"limits": {"cpu": f"{limit}m", "memory": memory}',
            '"limits": {"cpu": f"{limit}m"}',
        )
    },
)
