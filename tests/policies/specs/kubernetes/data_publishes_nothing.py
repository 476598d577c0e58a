"""Spec of kubernetes-data-publishes-nothing."""

from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

LABELS = {"app": "db"}


def service(kind="LoadBalancer", selector=LABELS, namespace="shop", **spec):
    return resource(
        "kubernetes:core/v1:Service",
        "clients",
        {
            "metadata": {"namespace": namespace},
            "spec": {"type": kind, "selector": selector, **spec},
        },
    )


def servers(labels=LABELS, claims=({"metadata": {"name": "data"}},), **pod):
    return resource(
        "kubernetes:apps/v1:StatefulSet",
        "db",
        {
            "metadata": {"namespace": "shop"},
            "spec": {
                "template": {"metadata": {"labels": labels}, "spec": pod},
                "volumeClaimTemplates": list(claims),
            },
        },
    )


SPEC = Spec(
    passes={
        "within the cluster": passes(service("ClusterIP"), servers()),
        "of others": passes(service(selector={"app": "router"}), servers()),
        "of another namespace": passes(service(namespace="web"), servers()),
        "no data": passes(service(), servers(claims=())),
        "no selector": passes(service(selector=None), servers()),
    },
    fails={
        "a load balancer": fails(service(), servers(), at=("clients", "spec.selector")),
        "ports of nodes": fails(service("NodePort"), servers(), at=("clients", "spec.selector")),
        "an address of a node": fails(
            service("ClusterIP", externalIPs=["192.0.2.7"]),
            servers(),
            at=("clients", "spec.selector"),
        ),
        "a claim of its own": fails(
            service(),
            servers(
                {**LABELS, "tier": "data"},
                (),
                volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "db"}}],
            ),
            at=("clients", "spec.selector"),
        ),
    },
    unknown={
        "whom it selects": unseen(
            service(selector={"app": UNKNOWN}), servers(), at=("clients", "spec.selector.app")
        ),
        "what bears which labels": unseen(
            service(), servers(UNKNOWN), at=("clients", "spec.template.metadata.labels")
        ),
    },
    not_applicable={"no service": passes(servers())},
    mutations={
        "PostgreSQL's members are published": edit(
            "production",
            "components/postgres_ha.py",
            'Port("postgres", POSTGRES_PORT)',
            'Port("postgres", POSTGRES_PORT, (15432,))',
        )
    },
)
