"""Spec of docker-images-by-digest."""

from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

DIGEST = f"sha256:{'ab' * 32}"


def image(name="shop/api:3", **properties):
    return resource("docker:index/remoteImage:RemoteImage", "image", {"name": name, **properties})


def server(image, **options):
    return resource("docker:index/container:Container", "api", {"image": image}, **options)


BUILT = image(build={"context": "./api"})

SPEC = Spec(
    passes={
        "built here": passes(BUILT, server(UNKNOWN, taken_from={"image": BUILT})),
        "by its id": passes(server(DIGEST)),
        "by digest": passes(server(f"registry.example.com/api@{DIGEST}")),
        "pulled by digest": passes(image(f"registry.example.com/api@{DIGEST}")),
    },
    fails={
        "a tag": fails(server("registry.example.com/api:3"), at=("api", "image")),
        "nothing but a name": fails(server("registry.example.com/api"), at=("api", "image")),
        "pulled by a tag": fails(image(), at=("image", "name")),
    },
    unknown={
        "of nobody knows what": unseen(BUILT, server(UNKNOWN), at=("api", "image")),
        "which is pulled": unseen(image(UNKNOWN), at=("image", "name")),
    },
    not_applicable={"no image": passes(resource("docker:index/network:Network", "api", {}))},
    mutations={
        "files are delivered by what somebody pushed": edit(
            "local",
            "platforms/docker.py",
            "image=self._image(workload.image).image_id,\n            command=[",
            'image="busybox:latest",\n            command=[',
        ),
        "nothing is built": edit(
            "local",
            "platforms/docker.py",
            "            build=docker.RemoteImageBuildArgs(\n"
            "                context=context.path,\n"
            "                build_args=context.build_arguments,\n"
            "            ),\n",
            "",
        ),
    },
)
