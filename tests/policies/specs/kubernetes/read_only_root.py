"""Spec of kubernetes-read-only-root."""

from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

JOB = "kubernetes:batch/v1:Job"
WHERE = "spec.template.spec.containers[0].securityContext.readOnlyRootFilesystem"


def job(context):
    spec = {"containers": [{"name": "job", "securityContext": context}]}
    return resource(JOB, "job", {"spec": {"template": {"spec": spec}}})


SPEC = Spec(
    passes={"it is read-only": passes(job({"readOnlyRootFilesystem": True}))},
    fails={
        "it is not": fails(job({"readOnlyRootFilesystem": False}), at=("job", WHERE)),
        "nothing is said": fails(job({}), at=("job", WHERE)),
    },
    unknown={"the value": unseen(job({"readOnlyRootFilesystem": UNKNOWN}), at=("job", WHERE))},
    not_applicable={"no pod": passes(resource("kubernetes:core/v1:ConfigMap", "job", {}))},
    mutations={
        "programs may be changed": edit(
            "staging",
            "platforms/kubernetes_pod.py",
            '"readOnlyRootFilesystem": True',
            '"readOnlyRootFilesystem": False',
        )
    },
)
