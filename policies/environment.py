"""Which environment a stack is, and what differs between them."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

ENVIRONMENTS = ("local", "staging", "production")
# What is not named is guarded like the strictest.
STRICTEST = "production"
# The key of a stack's configuration that says it for a stack of another name.
KEY = "policies:environment"


class ConfigurationError(Exception):
    """The pack was configured wrongly: one line, for whoever did."""


@dataclass(frozen=True)
class PerEnvironment(Generic[T]):
    """A value that depends on the environment."""

    local: T
    staging: T
    production: T

    def of(self, environment: str) -> T:
        """The environment's own. Raises KeyError for what is none."""
        found: T = {
            "local": self.local,
            "staging": self.staging,
            "production": self.production,
        }[environment]
        return found


def everywhere(value: T) -> PerEnvironment[T]:
    """The same in each environment."""
    return PerEnvironment(value, value, value)


def environment_of(stack: str, configured: str | None = None) -> str:
    """What is configured, or else the stack's name; of any other name: the strictest.

    Raises ConfigurationError for an environment that there is not.
    """
    if configured is not None:
        if configured not in ENVIRONMENTS:
            raise ConfigurationError(
                f"{KEY}: there is no environment {configured}; there are: {', '.join(ENVIRONMENTS)}"
            )
        return configured
    return stack if stack in ENVIRONMENTS else STRICTEST


def environment_of_process(variables: Mapping[str, str] | None = None) -> str:
    """That of the stack for which the Pulumi CLI started this process, from its variables.

    Started for no stack, as by `pulumi policy publish`: the strictest.
    """
    given = os.environ if variables is None else variables
    configuration = json.loads(given.get("PULUMI_CONFIG") or "{}")
    return environment_of(given.get("PULUMI_STACK", ""), configuration.get(KEY))
