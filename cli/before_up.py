"""What a team has to have done before a stack on Kubernetes can be applied."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cli.project import Project
from cli.result import Result
from platforms.image_reference import ImageReferences
from settings.errors import SettingsError
from settings.stack import StackSettings
from settings.unfilled import is_unfilled, unfilled

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
# Where the SDKs of AWS look, besides a machine's own role, which is asked for over the network.
AWS_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE")
AWS_FILES = ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE")


def values(settings: StackSettings) -> Iterator[Result]:
    """Whether all is filled in."""
    left = unfilled(settings)
    for each in left:
        yield Result("fill in", f"{each.key} is {each.value}: {each.meaning}", each.how)
    if not left:
        yield Result("fill in", "nothing is left")


def images(project: Project) -> Result:
    """Whether what is to run was pushed."""
    kubernetes = project.settings.kubernetes
    registry = kubernetes.registry if kubernetes else None
    if registry is None:
        return Result("images", "no registry is named: they have to be on every node already")
    if is_unfilled(registry):
        return Result("images", "kubernetes.registry is to be filled in first")
    try:
        ImageReferences(project.root, registry)
    except SettingsError as error:
        return Result("images", str(error), f"./selfmonitor -s {project.stack} images push")
    return Result("images", f"pushed to {registry}, as they are now")


def credentials(settings: StackSettings) -> Iterator[Result]:
    """Whether there are any of AWS, where they are needed. Whose they are, the provider looks at
    before it does anything.
    """
    if settings.backup.vault.kind != "aws" and settings.edge.load_balancer_arn is None:
        return
    home = Path.home() / ".aws"
    given = [Path(os.environ[name]) for name in AWS_FILES if os.environ.get(name)]
    named = [name for name in AWS_VARIABLES if os.environ.get(name)]
    there = [each for each in (*given, home / "credentials", home / "config") if each.is_file()]
    if named:
        yield Result("AWS", f"credentials by {named[0]}")
    elif there:
        yield Result("AWS", f"credentials from {there[0]}")
    else:
        yield Result(
            "AWS",
            "no credentials in the environment or in ~/.aws",
            "aws configure sso, and export AWS_PROFILE: of the account that "
            "backup.vault.account_id names; a machine that has a role of its own needs none",
        )


def storage(wanted: str | None, classes: Sequence[Mapping[str, Any]]) -> Iterator[Result]:
    """Whether the StorageClass will do. wanted: as the stack file names it; None: the default.

    classes: those of the cluster, as its API has them.
    """
    there = {str(each["metadata"]["name"]): each for each in classes}
    defaults = [name for name, each in there.items() if _is_default(each)]
    name = wanted or (defaults[0] if defaults else None)
    if name is None or name not in there:
        yield Result(
            "storage",
            f"there is no StorageClass {name}" if name else "no StorageClass is the default one",
            f"set kubernetes.storage_class to one of: {', '.join(there) or 'none'}",
        )
        return
    waits = there[name].get("volumeBindingMode") == "WaitForFirstConsumer"
    grows = bool(there[name].get("allowVolumeExpansion"))
    if not waits:
        yield Result(
            "storage",
            f"StorageClass {name} makes volumes before it is known where their pods will be",
            "take one with volumeBindingMode: WaitForFirstConsumer: a volume in the wrong zone "
            "keeps its pod from starting",
        )
    if not grows:
        yield Result(
            "storage",
            f"StorageClass {name} does not let volumes grow",
            f"kubectl patch storageclass {name} --patch '{{\"allowVolumeExpansion\": true}}', "
            "where its driver can",
        )
    if waits and grows:
        yield Result("storage", f"StorageClass {name}")


def _is_default(found: Mapping[str, Any]) -> bool:
    annotations = found["metadata"].get("annotations") or {}
    return annotations.get(DEFAULT_CLASS) == "true"
