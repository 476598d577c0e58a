"""Spec of kubernetes-capabilities-dropped."""

from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

DAEMON_SET = "kubernetes:apps/v1:DaemonSet"
WHERE = "spec.template.spec.containers[0].securityContext.capabilities"


def agent(capabilities):
    spec = {"containers": [{"name": "agent", "securityContext": {"capabilities": capabilities}}]}
    return resource(DAEMON_SET, "agent", {"spec": {"template": {"spec": spec}}})


SPEC = Spec(
    passes={
        "all dropped": passes(agent({"drop": ["ALL"]})),
        "a low port": passes(agent({"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]})),
    },
    fails={
        "nothing dropped": fails(agent({}), at=("agent", f"{WHERE}.drop")),
        "some dropped": fails(agent({"drop": ["NET_RAW"]}), at=("agent", f"{WHERE}.drop")),
        "one added": fails(
            agent({"drop": ["ALL"], "add": ["SYS_ADMIN"]}), at=("agent", f"{WHERE}.add")
        ),
    },
    unknown={
        "all of them": unseen(agent(UNKNOWN), at=("agent", WHERE)),
        "one that is added": unseen(
            agent({"drop": ["ALL"], "add": [UNKNOWN]}), at=("agent", f"{WHERE}.add[0]")
        ),
    },
    not_applicable={"no pod": passes(resource("kubernetes:core/v1:Node", "agent", {}))},
    mutations={
        "they are kept": edit(
            "staging", "platforms/kubernetes_pod.py", '{"drop": ["ALL"]}', '{"drop": []}'
        )
    },
)
