"""Builds the images as `up` does on Docker: of the same folders, under the same names."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.console import Steps
from cli.errors import OperationFailed
from cli.host import base_image, certificates, docker_engine
from platforms.image_context import BASE, folders, image_context

if TYPE_CHECKING:
    import docker


def prepare(root: Path, steps: Steps) -> "docker.DockerClient":
    """Docker Engine and what the base image is made of. Raises UserError, OperationFailed."""
    with steps.step("Docker Engine") as step:
        client = docker_engine.ensure(step)
    number = certificates.hand_over(root / "images" / BASE / "ca-certificates")
    if number:
        steps.line(
            f"✓ {number} extra certificate authorities of this machine for the images: whoever "
            "runs them believes these too"
        )
    with steps.step("base image") as step:
        base_image.ensure(client, step)
    return client


def build(client: "docker.DockerClient", root: Path, steps: Steps) -> dict[str, str]:
    """Builds what is not there yet; {folder: name}, the base first. Raises OperationFailed."""
    from standalone.docker_objects import Images
    from standalone.plan import Action, ApplyError

    handler = Images(client)
    names = {}
    for folder in (BASE, *folders(root)):
        context = image_context(root, folder)
        inputs: dict[str, Any] = {
            "name": context.name,
            "build": {
                "context": str(root / context.path),
                "buildArgs": context.build_arguments,
            },
        }
        change = handler.change(inputs, {}, None)
        names[folder] = context.name
        if change.action is Action.UNCHANGED:
            continue
        with steps.step(f"image {folder}") as step:
            try:
                handler.apply(inputs, {}, change, step.update)
            except ApplyError as error:
                raise OperationFailed(str(error), error.details) from None
    return names
