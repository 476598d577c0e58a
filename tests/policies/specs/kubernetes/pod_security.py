"""Spec of kubernetes-pod-security."""

from policy_spec import UNKNOWN, Spec, configured, edit, fails, passes, resource, unseen

LABEL = "pod-security.kubernetes.io/enforce"
WHERE = f"metadata.labels {LABEL}"


def namespace(labels):
    return resource("kubernetes:core/v1:Namespace", "shop", {"metadata": {"labels": labels}})


SPEC = Spec(
    passes={"the strictest": passes(namespace({LABEL: "restricted"}))},
    fails={
        "none": fails(namespace({}), at=("shop", WHERE)),
        "a looser one": fails(namespace({LABEL: "baseline"}), at=("shop", WHERE)),
        "the loosest": fails(namespace({LABEL: "privileged"}), at=("shop", WHERE)),
        "a warning": fails(
            namespace({"pod-security.kubernetes.io/warn": "restricted"}), at=("shop", WHERE)
        ),
    },
    unknown={
        "the labels": unseen(namespace(UNKNOWN), at=("shop", "metadata.labels")),
        "the level": unseen(namespace({LABEL: UNKNOWN}), at=("shop", f"metadata.labels.{LABEL}")),
    },
    overridden={
        "a looser one": configured({"level": "baseline"}, passes(namespace({LABEL: "baseline"}))),
        "more than that": configured(
            {"level": "baseline"}, passes(namespace({LABEL: "restricted"}))
        ),
    },
    not_applicable={"no namespace": passes(resource("kubernetes:core/v1:Pod", "shop", {}))},
    mutations={
        "a looser one": edit(
            "staging",
            "platforms/kubernetes.py",
            'POD_SECURITY = "restricted"',
            'POD_SECURITY = "baseline"',
        )
    },
)
