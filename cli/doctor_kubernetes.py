"""What the doctor looks at where a stack runs on Kubernetes, before anything is applied."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.project import Project
from cli.result import Result
from platforms.image_reference import ImageReferences
from settings.errors import SettingsError
from settings.kubernetes import KubernetesSettings
from settings.stack import StackSettings
from settings.unfilled import is_unfilled, unfilled

# StatefulSets whose ordinals begin with 1, and the eviction of what is unhealthy, are stable in it.
OLDEST = (1, 31)
ANSWER_SECONDS = 10
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
# Where the SDKs of AWS look, besides a machine's own role, which is asked for over the network.
AWS_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE")
AWS_FILES = ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE")


def examine_kubernetes(project: Project, settings: StackSettings) -> Iterator[Result]:
    """What is to be filled in, then every check, in the order in which an up would stumble."""
    kubernetes = settings.kubernetes or KubernetesSettings()
    left = unfilled(settings)
    for each in left:
        yield Result("fill in", f"{each.key} is {each.value}: {each.meaning}", each.how)
    if not left:
        yield Result("fill in", "nothing is left")
    pulumi = shutil.which("pulumi")
    install = "https://www.pulumi.com/docs/iac/download-install/"
    yield Result(
        "Pulumi CLI",
        pulumi or "not installed, and it applies this stack",
        *_unless(pulumi, install),
    )
    yield _images(project, kubernetes)
    if settings.backup.vault.kind == "aws":
        yield _credentials()
    if kubernetes.context is not None and is_unfilled(kubernetes.context):
        return
    yield from _cluster(kubernetes)


def _unless(fine: object, fix: str) -> tuple[str, ...]:
    return () if fine else (fix,)


def _images(project: Project, kubernetes: KubernetesSettings) -> Result:
    if kubernetes.registry is None:
        return Result("images", "no registry is named: they have to be on every node already")
    if is_unfilled(kubernetes.registry):
        return Result("images", "kubernetes.registry is to be filled in first")
    try:
        ImageReferences(project.root, kubernetes.registry)
    except SettingsError as error:
        return Result("images", str(error), f"./selfmonitor -s {project.stack} images push")
    return Result("images", f"pushed to {kubernetes.registry}, as they are now")


def _credentials() -> Result:
    """Whether there are any: whose they are, the provider looks at before it does anything."""
    home = Path.home() / ".aws"
    files = [Path(os.environ.get(name, "")) for name in AWS_FILES if os.environ.get(name)]
    named = [name for name in AWS_VARIABLES if os.environ.get(name)]
    there = [each for each in (*files, home / "credentials", home / "config") if each.is_file()]
    if named:
        return Result("AWS", f"credentials by {named[0]}")
    if there:
        return Result("AWS", f"credentials from {there[0]}")
    return Result(
        "AWS",
        "no credentials in the environment or in ~/.aws",
        "aws configure sso, and export AWS_PROFILE: of the account that backup.vault.account_id "
        "names; a machine that has a role of its own needs none",
    )


@dataclass(frozen=True)
class ClusterFacts:
    """version: e.g. (1, 34). classes: {StorageClass: {"grows", "waits" (for its first pod),
    "default"}}.
    """

    version: tuple[int, int]
    classes: dict[str, dict[str, bool]]


def _cluster(kubernetes: KubernetesSettings) -> Iterator[Result]:
    from kubernetes.config import ConfigException, list_kube_config_contexts

    wanted = kubernetes.context
    try:
        contexts, current = list_kube_config_contexts()  # type: ignore[no-untyped-call]
    except ConfigException as error:
        yield Result("cluster", f"no kubeconfig: {error}", "export KUBECONFIG=FILE, or make one")
        return
    names = [each["name"] for each in contexts]
    if wanted is not None and wanted not in names:
        yield Result(
            "cluster",
            f"kubernetes.context is {wanted}, which the kubeconfig does not have",
            f"it has: {', '.join(names) or 'none'}; set it to one, or add it",
        )
        return
    name = wanted or current["name"]
    try:
        facts = look(name)
    except Exception as error:  # noqa: BLE001 (of the client, its transport or a login program)
        said = " ".join(str(error).split())[:200]
        yield Result(
            "cluster",
            f"the API server of context {name} does not answer: {said}",
            f"kubectl --context {name} version says more; a preview does without it",
        )
        return
    version = ".".join(map(str, facts.version))
    oldest = ".".join(map(str, OLDEST))
    old = facts.version < OLDEST
    fix = (f"upgrade it to {oldest} or newer",) if old else ()
    yield Result("cluster", f"context {name}, Kubernetes {version}", *fix)
    yield from _storage(kubernetes, facts)


def look(context: str) -> ClusterFacts:
    """Asks the API server. Raises whatever the client does when it does not answer."""
    from kubernetes import client, config

    with config.new_client_from_config(context=context) as api:  # type: ignore[no-untyped-call]
        version = client.VersionApi(api).get_code(_request_timeout=ANSWER_SECONDS)
        found = client.StorageV1Api(api).list_storage_class(_request_timeout=ANSWER_SECONDS)
    return ClusterFacts(
        # Some clouds write 31+.
        (int(version.major), int(version.minor.rstrip("+"))),
        {str(each.metadata.name): _of_class(each) for each in found.items if each.metadata},
    )


def _of_class(found: Any) -> dict[str, bool]:
    annotations = found.metadata.annotations or {}
    return {
        "grows": bool(found.allow_volume_expansion),
        "waits": found.volume_binding_mode == "WaitForFirstConsumer",
        "default": annotations.get(DEFAULT_CLASS) == "true",
    }


def _storage(kubernetes: KubernetesSettings, facts: ClusterFacts) -> Iterator[Result]:
    wanted = kubernetes.storage_class
    if wanted is not None and is_unfilled(wanted):
        return
    defaults = [name for name, each in facts.classes.items() if each["default"]]
    name = wanted or (defaults[0] if defaults else None)
    if name is None or name not in facts.classes:
        yield Result(
            "storage",
            f"there is no StorageClass {name}" if name else "no StorageClass is the default one",
            f"set kubernetes.storage_class to one of: {', '.join(facts.classes) or 'none'}",
        )
        return
    found = facts.classes[name]
    if not found["waits"]:
        yield Result(
            "storage",
            f"StorageClass {name} makes volumes before it is known where their pods will be",
            "take one with volumeBindingMode: WaitForFirstConsumer: a volume in the wrong zone "
            "keeps its pod from starting",
        )
    if not found["grows"]:
        yield Result(
            "storage",
            f"StorageClass {name} does not let volumes grow",
            f"kubectl patch storageclass {name} --patch '{{\"allowVolumeExpansion\": true}}', "
            "where its driver can",
        )
    if found["waits"] and found["grows"]:
        yield Result("storage", f"StorageClass {name}")
