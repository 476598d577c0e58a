"""Spec of kubernetes-claims-retained."""

from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

WHERE = "spec.persistentVolumeClaimRetentionPolicy"


def servers(policy):
    spec = {"persistentVolumeClaimRetentionPolicy": policy}
    return resource("kubernetes:apps/v1:StatefulSet", "db", {"spec": spec})


SPEC = Spec(
    passes={
        "they stay": passes(servers({"whenDeleted": "Retain", "whenScaled": "Retain"})),
        "nothing is said": passes(servers(None)),
    },
    fails={
        "gone with the servers": fails(
            servers({"whenDeleted": "Delete"}), at=("db", f"{WHERE}.whenDeleted")
        ),
        "gone with one of them": fails(
            servers({"whenDeleted": "Retain", "whenScaled": "Delete"}),
            at=("db", f"{WHERE}.whenScaled"),
        ),
    },
    unknown={"when": unseen(servers({"whenScaled": UNKNOWN}), at=("db", f"{WHERE}.whenScaled"))},
    not_applicable={"no servers": passes(resource("kubernetes:apps/v1:Deployment", "db", {}))},
    mutations={
        "gone with the servers": edit(
            "staging",
            "platforms/kubernetes_servers.py",
            '"whenDeleted": "Retain"',
            '"whenDeleted": "Delete"',
        ),
        "gone with one of them": edit(
            "production",
            "platforms/kubernetes_servers.py",
            '"whenScaled": "Retain"',
            '"whenScaled": "Delete"',
        ),
    },
)
