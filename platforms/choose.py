"""Which platform a stack runs on."""

import importlib
from pathlib import Path

from platforms.docker import DockerPlatform
from platforms.workload import Platform
from settings.kubernetes import KubernetesSettings
from settings.stack import StackSettings


def choose(stack: str, root: Path, settings: StackSettings) -> Platform:
    """The platform of a stack's settings. Raises SettingsError for what it cannot be made of."""
    if settings.platform == "docker":
        return DockerPlatform(stack, root, settings.subnet, settings.bind_address)
    # By name: the SDK of Kubernetes is large, and a stack on Docker does not wait for it.
    module = importlib.import_module("platforms.kubernetes")
    platform: Platform = module.KubernetesPlatform(
        stack, root, settings.kubernetes or KubernetesSettings()
    )
    return platform
