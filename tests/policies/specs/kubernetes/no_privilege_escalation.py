"""Spec of kubernetes-no-privilege-escalation."""

from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

DEPLOYMENT = "kubernetes:apps/v1:Deployment"
WHERE = "spec.template.spec.containers[0].securityContext.allowPrivilegeEscalation"


def api(context):
    spec = {"containers": [{"name": "api", "securityContext": context}]}
    return resource(DEPLOYMENT, "api", {"spec": {"template": {"spec": spec}}})


SPEC = Spec(
    passes={"it is forbidden": passes(api({"allowPrivilegeEscalation": False}))},
    fails={
        "it is allowed": fails(api({"allowPrivilegeEscalation": True}), at=("api", WHERE)),
        "nothing is said": fails(api({}), at=("api", WHERE)),
    },
    unknown={"the value": unseen(api({"allowPrivilegeEscalation": UNKNOWN}), at=("api", WHERE))},
    not_applicable={"no pod": passes(resource("kubernetes:core/v1:Secret", "api", {"data": {}}))},
    mutations={
        "the line is gone": edit(
            "staging",
            "platforms/kubernetes_pod.py",
            '            "allowPrivilegeEscalation": False,\n',
            "",
        )
    },
)
