"""The policy pack, as this project's commands run it."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.errors import UserError
from cli.project import Project

if TYPE_CHECKING:
    from policies.evaluate import Evaluation, Registration
    from standalone.declared import Registered

FOLDER = "policies"
# What this project excuses, with the reasons.
CONFIGURATION = "policy-config.json"


def judge(project: Project, registered: Iterable["Registered"]) -> "Evaluation":
    """What the pack says of what a program registered. Raises UserError for a wrong configuration,
    which asking about nothing finds too.
    """
    from policies.environment import KEY, ConfigurationError
    from policies.evaluate import evaluate, read_configuration

    try:
        return evaluate(
            [_registration(each) for each in registered],
            project.stack,
            read_configuration(project.root / CONFIGURATION),
            project.configuration.get(KEY),
        )
    except ConfigurationError as error:
        raise UserError(str(error)) from None


def environment(project: Project) -> str:
    """The environment as which the stack is judged. Raises UserError for one there is not."""
    from policies.environment import KEY, ConfigurationError, environment_of

    try:
        return environment_of(project.stack, project.configuration.get(KEY))
    except ConfigurationError as error:
        raise UserError(str(error)) from None


def arguments(project: Project) -> list[str]:
    """What makes the Pulumi CLI run the pack. The CLI passes over names of controls that there are
    not: so the configuration is looked at first. Raises UserError.
    """
    judge(project, ())
    return [
        "--policy-pack",
        str(project.root / FOLDER),
        "--policy-pack-config",
        str(project.root / CONFIGURATION),
    ]


def path() -> str:
    """A PATH on which the CLI finds the Python that runs this, which has what the pack needs."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def _registration(given: "Registered") -> "Registration":
    from google.protobuf import json_format

    from policies.evaluate import Registration

    request: Any = given.request
    return Registration(
        type=request.type,
        name=request.name,
        urn=given.urn,
        properties=json_format.MessageToDict(request.object),
        protect=request.protect,
        parent=request.parent,
        provider=request.provider,
        dependencies=tuple(sorted(request.dependencies)),
        references={
            key: tuple(sorted(found.urns)) for key, found in request.propertyDependencies.items()
        },
    )
