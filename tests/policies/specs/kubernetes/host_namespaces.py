"""Spec of kubernetes-host-namespaces."""

from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen


def shell(**pod):
    return resource("kubernetes:core/v1:Pod", "shell", {"spec": pod})


SPEC = Spec(
    passes={
        "nothing is said": passes(shell()),
        "they are its own": passes(shell(hostNetwork=False, hostPID=False, hostIPC=False)),
    },
    fails={
        "the node's network": fails(shell(hostNetwork=True), at=("shell", "spec.hostNetwork")),
        "its processes and memory": fails(
            shell(hostPID=True, hostIPC=True),
            at=(("shell", "spec.hostPID"), ("shell", "spec.hostIPC")),
        ),
    },
    unknown={"the value": unseen(shell(hostNetwork=UNKNOWN), at=("shell", "spec.hostNetwork"))},
    not_applicable={"no pod": passes(resource("kubernetes:core/v1:Node", "shell", {}))},
    mutations={
        "pods see the node's processes": edit(
            "staging",
            "platforms/kubernetes_pod.py",
            '        "enableServiceLinks": False,',
            '        "enableServiceLinks": False, "hostPID": True,',
        )
    },
)
