"""What an `up` does or would do to each resource."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Action(Enum):
    """What happens to a resource. REGISTER: what does, only a state would tell."""

    CREATE = "create"
    REPLACE = "replace"
    UPDATE = "update"
    DELETE = "delete"
    UNCHANGED = "unchanged"
    REGISTER = "register"


@dataclass(frozen=True)
class Change:
    """An action with its reason; the reason of a creation is empty."""

    action: Action
    reason: str = ""


@dataclass(frozen=True)
class Step:
    """One line of a plan or of its execution.

    kind: what a person calls it (image, network, volume, container, password, key, certificate), or
    the last word of its type.
    seconds: how long it took; None in a plan, and while it is under way.
    """

    kind: str
    name: str
    change: Change
    seconds: float | None = None


Report = Callable[[Step], None]
Progress = Callable[[str], None]


class ApplyError(Exception):
    """The machine could not be brought to what the program says. `details` are log lines."""

    def __init__(self, message: str, details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.details = details


# How long whoever applies it waits for a start: no property of what is started. It is longer when
# a member begins with a backup, and the member is not replaced for that, before or afterwards.
NOT_OF_THE_THING = frozenset({"waitTimeout"})


def property_hashes(inputs: Mapping[str, Any]) -> dict[str, str]:
    """One hash a property, so that a plan can name what differs without keeping any value."""
    return {
        name: hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]
        for name, value in inputs.items()
        if value is not None and name not in NOT_OF_THE_THING
    }


def combined_hash(hashes: Mapping[str, str]) -> str:
    """One hash over all properties."""
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()[:32]


# A person's words for the properties that change in practice.
WORDS = {
    "image": "image",
    "labels": "configuration",
    "uploads": "files",
    "envs": "environment",
    "hosts": "addresses of its peers",
    "networksAdvanced": "networks",
    "ports": "published ports",
    "memory": "memory limit",
    "memorySwap": "memory limit",
    "cpus": "CPU limit",
    "cpuShares": "share of the processors",
    "healthcheck": "readiness check",
    "caCertPem": "authority",
    "certRequestPem": "names",
    "dnsNames": "names",
    "ipAddresses": "addresses",
    "validityPeriodHours": "validity",
    "ipamConfigs": "addresses",
}


def what_differs(recorded: Mapping[str, str] | None, current: Mapping[str, str]) -> str:
    """“image, files changed”, from two sets of property hashes."""
    if recorded is None:
        return "declared differently"
    names = sorted(
        WORDS.get(name, name)
        for name in recorded.keys() | current.keys()
        if recorded.get(name) != current.get(name)
    )
    return f"{', '.join(dict.fromkeys(names))} changed" if names else "declared differently"
