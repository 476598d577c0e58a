"""Spec of kubernetes-seccomp."""

from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

WHERE = "spec.containers[0].securityContext.seccompProfile.type"


def profile(kind):
    return {"seccompProfile": {"type": kind}}


def shell(pod, container):
    spec = {"securityContext": pod, "containers": [{"name": "sh", "securityContext": container}]}
    return resource("kubernetes:core/v1:Pod", "shell", {"spec": spec})


SPEC = Spec(
    passes={
        "the pod says it": passes(shell(profile("RuntimeDefault"), {})),
        "the container says it": passes(shell({}, profile("Localhost"))),
    },
    fails={
        "nobody says it": fails(shell({}, {}), at=("shell", WHERE)),
        "a container takes it back": fails(
            shell(profile("RuntimeDefault"), profile("Unconfined")), at=("shell", WHERE)
        ),
    },
    unknown={"the profile": unseen(shell({}, profile(UNKNOWN)), at=("shell", WHERE))},
    not_applicable={"no pod": passes(resource("kubernetes:core/v1:Node", "shell", {}))},
    mutations={
        "the line is gone": edit(
            "staging",
            "platforms/kubernetes_pod.py",
            '            "seccompProfile": {"type": "RuntimeDefault"},\n',
            "",
        )
    },
)
