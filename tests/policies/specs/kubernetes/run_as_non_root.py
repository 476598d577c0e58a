"""Spec of kubernetes-run-as-non-root."""

from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

STATEFUL_SET = "kubernetes:apps/v1:StatefulSet"
POD = "kubernetes:core/v1:Pod"
CONFINED = {"runAsNonRoot": True, "runAsUser": 1000}
CONTAINER = "spec.template.spec.containers[0].securityContext"


def db(pod, container, token=STATEFUL_SET):
    spec = {"securityContext": pod, "containers": [{"name": "db", "securityContext": container}]}
    return resource(token, "db", {"spec": {"template": {"spec": spec}}})


SPEC = Spec(
    passes={
        "the pod says it": passes(db(CONFINED, {})),
        "the container says it": passes(db({}, CONFINED)),
        "the container's own holds": passes(db({"runAsUser": 0}, CONFINED)),
        "no user, but not root": passes(db({"runAsNonRoot": True}, {})),
    },
    fails={
        "nobody says it": fails(db({}, {}), at=("db", f"{CONTAINER}.runAsNonRoot")),
        "the user is root": fails(
            db({"runAsNonRoot": True, "runAsUser": 0}, {}), at=("db", f"{CONTAINER}.runAsUser")
        ),
        "a container takes it back": fails(
            db(CONFINED, {"runAsNonRoot": False}), at=("db", f"{CONTAINER}.runAsNonRoot")
        ),
        "a container of the beginning, and one of two": fails(
            resource(
                POD,
                "shell",
                {
                    "spec": {
                        "initContainers": [{"name": "a"}],
                        "containers": [
                            {"name": "b", "securityContext": CONFINED},
                            {"name": "c"},
                        ],
                    }
                },
            ),
            at=(
                ("shell", "spec.initContainers[0].securityContext.runAsNonRoot"),
                ("shell", "spec.containers[1].securityContext.runAsNonRoot"),
            ),
        ),
        "a job at times": fails(
            resource(
                "kubernetes:batch/v1:CronJob",
                "nightly",
                {"spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": [{}]}}}}}},
            ),
            at=(
                "nightly",
                "spec.jobTemplate.spec.template.spec.containers[0].securityContext.runAsNonRoot",
            ),
        ),
    },
    unknown={
        "the container's": unseen(
            db({}, {"runAsNonRoot": UNKNOWN, "runAsUser": 1}),
            at=("db", f"{CONTAINER}.runAsNonRoot"),
        ),
        "the whole pod": unseen(
            resource(STATEFUL_SET, "db", {"spec": {"template": UNKNOWN}}),
            at=("db", "spec.template"),
        ),
    },
    not_applicable={
        "no pod": passes(resource("kubernetes:core/v1:Service", "db", {"spec": {}})),
        "another provider's": passes(db({}, {}, token="other:apps/v1:StatefulSet")),
    },
    mutations={
        "pods say nothing": edit(
            "staging",
            "platforms/kubernetes_pod.py",
            '            "runAsNonRoot": True,\n',
            "",
        ),
        "pods run as root": edit(
            "staging",
            "platforms/kubernetes_pod.py",
            '"runAsUser": USER_ID',
            '"runAsUser": 0',
        ),
    },
)
