"""Spec of kubernetes-storage-encrypted."""

from policy_spec import UNKNOWN, Spec, configured, edit, fails, passes, resource, setting, unseen
from policy_stacks import ON_KUBERNETES

EBS = "ebs.csi.aws.com"
TEMPLATE = "spec.volumeClaimTemplates[0].spec.storageClassName"


def made(encrypted="true", provisioner=EBS, name="fast"):
    return resource(
        "kubernetes:storage.k8s.io/v1:StorageClass",
        "fast",
        {
            "metadata": {"name": name},
            "provisioner": provisioner,
            "parameters": {"encrypted": encrypted} if encrypted else None,
        },
    )


def claim(chosen, **options):
    spec = {"storageClassName": chosen} if chosen else {}
    return resource("kubernetes:core/v1:PersistentVolumeClaim", "data", {"spec": spec}, **options)


def servers(chosen):
    spec = {"volumeClaimTemplates": [{"spec": {"storageClassName": chosen}}]}
    return resource("kubernetes:apps/v1:StatefulSet", "db", {"spec": spec})


SPEC = Spec(
    passes={
        "a class that encrypts": passes(made(), claim("fast"), servers("fast")),
        "a class that always does": passes(made(None, "pd.csi.storage.gke.io"), claim("fast")),
        "by a name that is made": passes(
            made(name=UNKNOWN), claim(UNKNOWN, taken_from={"spec": made(name=UNKNOWN)})
        ),
    },
    fails={
        "a class that does not": fails(made("false"), at=("fast", "parameters.encrypted")),
        "a class that says nothing": fails(made(None), at=("fast", "parameters.encrypted")),
        "whatever the cluster has": fails(claim(None), at=("data", "spec.storageClassName")),
        "a class nobody knows": fails(
            claim("mystery"),
            servers("mystery"),
            at=(("data", "spec.storageClassName"), ("db", TEMPLATE)),
        ),
    },
    unknown={
        "whether it encrypts": unseen(made(UNKNOWN), at=("fast", "parameters.encrypted")),
        "which class": unseen(claim(UNKNOWN), at=("data", "spec.storageClassName")),
    },
    overridden={
        "somebody has looked": configured(
            {"classes": ["mystery"]}, passes(claim("mystery"), servers("mystery"))
        )
    },
    not_applicable={"no volume": passes(resource("kubernetes:core/v1:Pod", "db", {}))},
    mutations={
        "a class nobody knows": setting(
            "production", kubernetes={**ON_KUBERNETES["kubernetes"], "storage_class": "gp2"}
        ),
        "whatever the cluster has": edit(
            "staging",
            "platforms/kubernetes_servers.py",
            "if storage_class is not None:",
            "if storage_class == storage_class.upper():",
        ),
        "a class that does not": edit(
            "production",
            "platforms/kubernetes.py",
            "within = _after(here, [namespace])",
            'k8s.storage.v1.StorageClass("fast", provisioner="ebs.csi.aws.com", opts=here)\n'
            "        within = _after(here, [namespace])",
        ),
    },
)
