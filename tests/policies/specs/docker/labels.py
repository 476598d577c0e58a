"""Spec of docker-labels."""

from policy_spec import UNKNOWN, Spec, configured, edit, fails, passes, resource, unseen

STACK = {"io.selfmonitor.stack": "shop"}
WHOSE = {
    "io.selfmonitor.workload": "db",
    "io.selfmonitor.member": "db-1",
    "io.selfmonitor.role": "data",
}


def labelled(labels, kind="volume:Volume"):
    given = [{"label": key, "value": value} for key, value in labels.items()]
    return resource(f"docker:index/{kind}", "data", {"labels": given})


SPEC = Spec(
    passes={
        "a volume": passes(labelled({**STACK, **WHOSE})),
        "a network": passes(labelled(STACK, "network:Network")),
        "a container": passes(labelled(STACK, "container:Container")),
    },
    fails={
        "a network's": fails(
            labelled({}, "network:Network"), at=("data", "label io.selfmonitor.stack")
        ),
        "whose data they are": fails(
            labelled(STACK), at=tuple(("data", f"label {each}") for each in WHOSE)
        ),
    },
    unknown={
        "all": unseen(
            resource("docker:index/volume:Volume", "data", {"labels": UNKNOWN}),
            at=("data", "labels"),
        ),
        "one": unseen(
            labelled({"io.selfmonitor.stack": UNKNOWN}, "network:Network"),
            at=("data", "labels[0].value"),
        ),
    },
    overridden={
        "an empty one": configured(
            {"labels": ["team"], "volume_labels": []},
            fails(labelled({"team": ""}), at=("data", "label team")),
        ),
        "others": configured(
            {"labels": ["team"], "volume_labels": []}, passes(labelled({"team": "shop"}))
        ),
        "others of volumes": configured(
            {"labels": [], "volume_labels": ["owner"]},
            fails(labelled({"team": "shop"}), at=("data", "label owner")),
        ),
    },
    not_applicable={"an image": passes(resource("docker:index/image:Image", "data", {}))},
    mutations={
        "volumes are nobody's": edit(
            "local",
            "platforms/docker.py",
            "docker.VolumeLabelArgs(label=key, value=labels[key]) for key in sorted(labels)",
            "",
        ),
        "networks are": edit(
            "local",
            "platforms/docker.py",
            "labels=[docker.NetworkLabelArgs(label=names.LABEL_STACK, value=self._stack)]",
            "labels=[]",
        ),
    },
)
