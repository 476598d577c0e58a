"""Spec of kubernetes-load-balancers-internal."""

from policy_spec import UNKNOWN, Spec, configured, fails, passes, resource, setting, unseen
from policy_stacks import ON_KUBERNETES

SCHEME = "service.beta.kubernetes.io/aws-load-balancer-scheme"
WHERE = "metadata.annotations"


def service(annotations=None, kind="LoadBalancer"):
    return resource(
        "kubernetes:core/v1:Service",
        "clients",
        {"metadata": {"annotations": annotations}, "spec": {"type": kind}},
    )


SPEC = Spec(
    passes={
        "Amazon's": passes(service({SCHEME: "internal"})),
        "Google's": passes(service({"networking.gke.io/load-balancer-type": "Internal"})),
        "Microsoft's": passes(
            service({"service.beta.kubernetes.io/azure-load-balancer-internal": "true"})
        ),
    },
    fails={
        "nothing is said": fails(service(), at=("clients", WHERE)),
        "the opposite": fails(service({SCHEME: "internet-facing"}), at=("clients", WHERE)),
        "both": fails(
            service(
                {SCHEME: "internet-facing", "networking.gke.io/load-balancer-type": "Internal"}
            ),
            at=("clients", WHERE),
        ),
    },
    unknown={
        "the annotations": unseen(service(UNKNOWN), at=("clients", WHERE)),
        "the type": unseen(service({}, UNKNOWN), at=("clients", "spec.type")),
    },
    overridden={
        "another cloud's": configured(
            {"annotations": ["example.com/scope=inside"]},
            passes(service({"example.com/scope": "inside"})),
        )
    },
    not_applicable={
        "no load balancer": passes(service(kind="ClusterIP")),
        "no service": passes(resource("kubernetes:core/v1:Pod", "clients", {})),
    },
    mutations={
        "for the internet": setting(
            "production",
            kubernetes={**ON_KUBERNETES["kubernetes"], "load_balancer": "internet-facing"},
        )
    },
)
