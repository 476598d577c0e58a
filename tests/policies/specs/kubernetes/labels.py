"""Spec of kubernetes-labels."""

from policy_spec import UNKNOWN, Spec, configured, edit, fails, passes, resource, unseen

PART_OF = "app.kubernetes.io/part-of"
INSTANCE = "app.kubernetes.io/instance"


def claim(labels):
    return resource(
        "kubernetes:core/v1:PersistentVolumeClaim", "data", {"metadata": {"labels": labels}}
    )


SPEC = Spec(
    passes={"both": passes(claim({PART_OF: "shop", INSTANCE: "blue", "more": "x"}))},
    fails={
        "none": fails(
            claim(None),
            at=(("data", f"metadata.labels {PART_OF}"), ("data", f"metadata.labels {INSTANCE}")),
        ),
        "an empty one": fails(
            claim({PART_OF: "", INSTANCE: "blue"}), at=("data", f"metadata.labels {PART_OF}")
        ),
    },
    unknown={
        "all": unseen(claim(UNKNOWN), at=("data", "metadata.labels")),
        "one": unseen(
            claim({PART_OF: "shop", INSTANCE: UNKNOWN}), at=("data", f"metadata.labels.{INSTANCE}")
        ),
    },
    overridden={
        "another": configured({"labels": ["team"]}, passes(claim({"team": "shop"}))),
        "and then that one alone": configured(
            {"labels": ["team"]},
            fails(claim({PART_OF: "shop", INSTANCE: "blue"}), at=("data", "metadata.labels team")),
        ),
    },
    not_applicable={"no object": passes(resource("pulumi:providers:kubernetes", "cluster", {}))},
    mutations={
        "of which project": edit(
            "staging",
            "platforms/kubernetes_names.py",
            "found = {LABEL_PART_OF: PART_OF, LABEL_STACK: self.stack}",
            "found = {LABEL_STACK: self.stack}",
        )
    },
)
