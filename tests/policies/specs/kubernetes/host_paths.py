"""Spec of kubernetes-host-paths."""

from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

VOLUME = "kubernetes:core/v1:PersistentVolume"


def db(*volumes):
    spec = {"template": {"spec": {"volumes": list(volumes)}}}
    return resource("kubernetes:apps/v1:StatefulSet", "db", {"spec": spec})


SPEC = Spec(
    passes={
        "volumes of the cluster's": passes(
            db({"name": "a", "emptyDir": {}}, {"name": "b", "secret": {"secretName": "b"}})
        ),
        "none": passes(db()),
        "a volume of a cloud's": passes(resource(VOLUME, "disk", {"spec": {"csi": {}}})),
    },
    fails={
        "the container runtime's socket": fails(
            db({"name": "a", "emptyDir": {}}, {"name": "b", "hostPath": {"path": "/run/x.sock"}}),
            at=("db", "spec.template.spec.volumes[1].hostPath"),
        ),
        "by a volume": fails(
            resource(VOLUME, "disk", {"spec": {"hostPath": {"path": "/srv/data"}}}),
            at=("disk", "spec.hostPath"),
        ),
    },
    unknown={
        "which volumes": unseen(
            resource("kubernetes:core/v1:Pod", "shell", {"spec": {"volumes": UNKNOWN}}),
            at=("shell", "spec.volumes"),
        )
    },
    not_applicable={"no pod": passes(resource("kubernetes:core/v1:ConfigMap", "db", {}))},
    mutations={
        "scratch is the node's": edit(
            "staging",
            "platforms/kubernetes_pod.py",
            '"emptyDir": {"medium": "Memory", "sizeLimit": f"{size}Mi"}',
            '"hostPath": {"path": f"/srv/{size}"}',
        )
    },
)
