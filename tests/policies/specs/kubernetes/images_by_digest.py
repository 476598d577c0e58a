"""Spec of kubernetes-images-by-digest."""

from policy_spec import UNKNOWN, Spec, configured, edit, fails, passes, resource, setting, unseen
from policy_stacks import ON_KUBERNETES

WHERE = "spec.containers[0].image"
DIGEST = f"@sha256:{'ab' * 32}"


def shell(image):
    spec = {"containers": [{"name": "sh", "image": image}]}
    return resource("kubernetes:core/v1:Pod", "shell", {"spec": spec})


def kubernetes(**settings):
    found = {**ON_KUBERNETES["kubernetes"], **settings}
    return setting("production", kubernetes={k: v for k, v in found.items() if v is not None})


SPEC = Spec(
    passes={
        "a digest": passes(shell(f"registry.example.com/team/shell{DIGEST}")),
        "a tag besides": passes(shell(f"shell:3{DIGEST}")),
    },
    fails={
        "a tag": fails(shell("registry.example.com/shell:3"), at=("shell", WHERE)),
        "nothing": fails(shell(None), at=("shell", WHERE)),
        "what is no digest": fails(shell("shell@sha256:abc"), at=("shell", WHERE)),
    },
    unknown={"the image": unseen(shell(UNKNOWN), at=("shell", WHERE))},
    overridden={
        "of an allowed registry": configured(
            {"registries": ["registry.example.com/team/"]},
            passes(shell(f"registry.example.com/team/shell{DIGEST}")),
        ),
        "of another's": configured(
            {"registries": ["registry.example.com/team"]},
            fails(shell(f"registry.example.com/teams/shell{DIGEST}"), at=("shell", WHERE)),
        ),
    },
    not_applicable={"no pod": passes(resource("kubernetes:core/v1:Node", "shell", {}))},
    mutations={
        "by tags": edit(
            "production",
            "platforms/image_reference.py",
            'f"{registry}/{folder}@{_digest(pushed, folder, name)}"',
            'f"{registry}/{folder}:latest"',
        ),
        "of what nodes happen to have": kubernetes(registry=None),
        "of another registry": kubernetes(registry="mirror.example.org/selfmonitor"),
    },
)
