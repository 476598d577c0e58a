"""What stands in a configuration file that a program hands over, as data."""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import yaml

# Replicas get the same files: each text is read once. Bounded, since some texts are secret.
KEPT = 64


@lru_cache(maxsize=KEPT)
def parsed(text: str) -> Any:
    """A text of JSON or YAML as data, which nobody may change; None for what is neither."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except yaml.YAMLError:
        return None


def mappings(value: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """(path, mapping) of every mapping in parsed data, the outermost first."""
    if isinstance(value, dict):
        yield path, value
        for key, each in value.items():
            yield from mappings(each, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from mappings(each, f"{path}[{index}]")


def at(value: Any, path: str) -> Any:
    """The value at `a.b` of parsed data; None where there is none."""
    for key in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value
