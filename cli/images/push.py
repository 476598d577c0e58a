"""Pushes the images, and writes down what was pushed when all of it was."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.console import Step, Steps
from cli.errors import OperationFailed
from cli.figures import size
from platforms.image_context import BASE, TAG_DIGITS, project_name
from platforms.image_reference import LOCK

if TYPE_CHECKING:
    import docker

# What registries say to somebody they do not know, or do not let in here.
STRANGER = ("unauthorized", "denied", "no basic auth", "authentication required")
NO_REPOSITORY = ("name unknown", "does not exist")


def push(
    client: "docker.DockerClient", root: Path, registry: str, names: Mapping[str, str], steps: Steps
) -> dict[str, str]:
    """Pushes what was built and writes the lock file; {folder: digest}.

    names: {folder: local name}; the base's layers are in all others, and nobody runs it. Killed or
    refused half way, it leaves the lock file as it was: what that names is still there. Raises
    OperationFailed.
    """
    known = {folder: project_name(root, folder) for folder in names if folder != BASE}
    digests = {}
    for folder in known:
        with steps.step(f"push {folder}") as step:
            digests[folder] = _push(client, f"{registry}/{folder}", names[folder], step)
            step.remark(digests[folder])
    for folder, name in known.items():
        if project_name(root, folder) != name:
            raise OperationFailed(
                f"images/{folder} was changed meanwhile, so {LOCK} was left as it was: push again"
            )
    write_lock(root, known, digests)
    return digests


def write_lock(root: Path, names: Mapping[str, str], digests: Mapping[str, str]) -> None:
    """The lock file, whole or as it was. It holds nothing secret, and belongs to the project."""
    from standalone.state import replace_file

    images = {
        folder: {"name": names[folder], "digest": digest} for folder, digest in digests.items()
    }
    text = json.dumps({"images": images}, indent=2, sort_keys=True) + "\n"
    replace_file(root / LOCK, text.encode())
    (root / LOCK).chmod(0o644)


def _push(client: "docker.DockerClient", repository: str, name: str, step: Step) -> str:
    """One image; its digest, as the registry itself says afterwards that it has it."""
    import docker.errors

    try:
        image = client.images.get(name)
        tag = tag_of(name, str(image.id))
        image.tag(repository, tag)
        events = client.api.push(repository, tag, stream=True, decode=True)
        digest = _followed(events, repository, step)
        step.update("asking the registry for it")
        there = client.images.get_registry_data(f"{repository}:{tag}").attrs["Descriptor"]["digest"]
    except docker.errors.DockerException as error:
        said = getattr(error, "explanation", None) or str(error)
        raise OperationFailed(_why(repository, str(said))) from None
    if there != digest:
        raise OperationFailed(
            f"{repository}:{tag}: {digest} was pushed, and the registry has {there}: somebody "
            "else pushes the same; push again"
        )
    return digest


def tag_of(name: str, image_id: str) -> str:
    """Under which an image is pushed: what it was made of, and which one of those it is.

    The same folder built on another day has newer packages in it. It must not take the tag of one
    that runs somewhere: registries delete what has no tag, and some refuse to move one.
    """
    return f"{name.rpartition(':')[2]}-{image_id.removeprefix('sha256:')[:TAG_DIGITS]}"


def _followed(events: Iterable[Mapping[str, Any]], repository: str, step: Step) -> str:
    """Shows how far it is; the digest that is told at the end."""
    layers: dict[str, tuple[int, int]] = {}
    digest = None
    for event in events:
        if "error" in event:
            raise OperationFailed(_why(repository, str(event["error"])))
        detail = event.get("progressDetail") or {}
        if "id" in event and "total" in detail:
            layers[event["id"]] = (int(detail["current"]), int(detail["total"]))
            done, total = (sum(each) for each in zip(*layers.values(), strict=True))
            step.update(f"{size(min(done, total))} of {size(total)}")
        digest = (event.get("aux") or {}).get("Digest", digest)
    if digest is None:
        raise OperationFailed(f"{repository}: the push ended without a digest: push again")
    return str(digest)


def _why(repository: str, said: str) -> str:
    """What a registry or the Engine said, and what to do about it."""
    text = " ".join(said.split())
    host = repository.partition("/")[0]
    hint = "is it up, and does this machine reach it?"
    if any(word in text.lower() for word in STRANGER):
        hint = f"log in: docker login {host}"
    elif any(word in text.lower() for word in NO_REPOSITORY):
        hint = f"make the repository {repository.partition('/')[2]} there first"
    return f"{repository}: not pushed: {text}; {hint}"
