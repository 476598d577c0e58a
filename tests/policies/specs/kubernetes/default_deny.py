"""Spec of kubernetes-default-deny."""

from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

INGRESS = ("db", "default-deny NetworkPolicy for Ingress")
EGRESS = ("db", "default-deny NetworkPolicy for Egress")
BOTH = ["Ingress", "Egress"]


def pod(name="db", namespace="shop", **options):
    return resource(
        "kubernetes:core/v1:Pod", name, {"metadata": {"namespace": namespace}}, **options
    )


def policy(spec, name="deny", namespace="shop", **options):
    return resource(
        "kubernetes:networking.k8s.io/v1:NetworkPolicy",
        name,
        {"metadata": {"namespace": namespace}, "spec": spec},
        **options,
    )


def namespace(metadata, name="ours"):
    return resource("kubernetes:core/v1:Namespace", name, {"metadata": metadata})


DENY = {"podSelector": {}, "policyTypes": BOTH}
OURS = namespace({})
OTHERS = namespace({}, "others")


def within(place, make, *arguments):
    """In a namespace whose name Pulumi makes, as at preview."""
    return make(*arguments, namespace=UNKNOWN, taken_from={"metadata": place})


SPEC = Spec(
    passes={
        "both directions": passes(pod(), policy(DENY)),
        "in two policies": passes(
            pod(),
            policy({"podSelector": {}, "policyTypes": ["Ingress"]}),
            policy({"podSelector": {}, "policyTypes": ["Egress"]}, "deny-out"),
        ),
        "beside one that allows": passes(
            pod(),
            policy(DENY),
            policy({"podSelector": {}, "egress": [{}], "policyTypes": ["Egress"]}, "out"),
        ),
        "two namespaces": passes(
            pod(), policy(DENY), pod("api", "web"), policy(DENY, "web", "web")
        ),
        "the namespace nobody named": passes(pod(namespace=None), policy(DENY, namespace=None)),
        "a namespace whose name is made": passes(
            OURS, within(OURS, pod, "db"), within(OURS, policy, DENY)
        ),
        "a namespace by name and by reference": passes(
            namespace({"name": "shop"}),
            pod(),
            policy(DENY, namespace=UNKNOWN, taken_from={"metadata": namespace({"name": "shop"})}),
        ),
    },
    fails={
        "none": fails(pod(), at=(INGRESS, EGRESS)),
        "once for a namespace": fails(pod(), pod("api"), at=(INGRESS, EGRESS)),
        "of another namespace": fails(pod(), policy(DENY, namespace="web"), at=(INGRESS, EGRESS)),
        "of another namespace whose name is made": fails(
            OURS,
            OTHERS,
            within(OURS, pod, "db"),
            within(OTHERS, policy, DENY),
            at=(INGRESS, EGRESS),
        ),
        "what comes in alone": fails(pod(), policy({"podSelector": {}}), at=EGRESS),
        "of some pods": fails(
            pod(),
            policy({"podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": BOTH}),
            at=(INGRESS, EGRESS),
        ),
        "with a rule that allows": fails(pod(), policy({**DENY, "ingress": [{}]}), at=INGRESS),
    },
    unknown={
        "whom it is for": unseen(
            pod(),
            policy({**DENY, "podSelector": UNKNOWN}),
            at=("db", "spec.podSelector of NetworkPolicy deny"),
        ),
        "where the pod is": unseen(
            pod(namespace=UNKNOWN), policy(DENY), at=("db", "metadata.namespace")
        ),
        "where the policy is": unseen(
            pod(),
            policy(DENY, namespace=UNKNOWN),
            at=("db", "metadata.namespace of NetworkPolicy deny"),
        ),
    },
    not_applicable={"no pod": passes(namespace({"name": "shop"}))},
    mutations={
        "pods may connect to everybody": edit(
            "staging",
            "platforms/kubernetes_network.py",
            '"policyTypes": ["Ingress", "Egress"]',
            '"policyTypes": ["Ingress"]',
        ),
        "it is for pods that are not there": edit(
            "production",
            "platforms/kubernetes_network.py",
            '"default-deny", {**everybody,',
            '"default-deny", {"podSelector": {"matchLabels": {"app": "none"}},',
        ),
    },
)
