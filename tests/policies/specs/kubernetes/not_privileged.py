"""Spec of kubernetes-not-privileged."""

from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

DAEMON_SET = "kubernetes:apps/v1:DaemonSet"
WHERE = "spec.template.spec.containers[0].securityContext"


def agent(context):
    spec = {"containers": [{"name": "agent", "securityContext": context}]}
    return resource(DAEMON_SET, "agent", {"spec": {"template": {"spec": spec}}})


SPEC = Spec(
    passes={
        "it is not": passes(agent({"privileged": False})),
        "nothing is said": passes(agent({})),
    },
    fails={
        "it is": fails(agent({"privileged": True}), at=("agent", f"{WHERE}.privileged")),
        "all of /proc": fails(agent({"procMount": "Unmasked"}), at=("agent", f"{WHERE}.procMount")),
        "the same on Windows": fails(
            agent({"windowsOptions": {"hostProcess": True}}),
            at=("agent", f"{WHERE}.windowsOptions.hostProcess"),
        ),
    },
    unknown={
        "the value": unseen(agent({"privileged": UNKNOWN}), at=("agent", f"{WHERE}.privileged"))
    },
    not_applicable={"no pod": passes(resource("kubernetes:core/v1:Node", "agent", {}))},
    mutations={
        "all are": edit(
            "staging",
            "platforms/kubernetes_pod.py",
            '            "allowPrivilegeEscalation": False,',
            '            "allowPrivilegeEscalation": False, "privileged": True,',
        )
    },
)
