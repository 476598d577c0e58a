"""Values of resources on AWS: those in lists, texts of JSON, and the region a resource is in."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from policies.resources import Resource
from policies.values import Unknown, UnknownUsedError, joined_path

PROVIDERS = ("pulumi:providers:aws",)
# By this alias, and none other, a key of KMS is known that AWS manages and nobody governs.
AWS_MANAGED = "alias/aws/"


def every(resource: Resource, pattern: str) -> Iterator[tuple[str, Any]]:
    """(path, value) of all that `rules[].destination.bucket` stands for.

    The value is None where there is none. What is not known comes as an Unknown, once, wherever on
    the way it is.
    """
    yield from _every(resource.props, "", tuple(pattern.split(".")))


def _every(value: Any, path: str, steps: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    if not steps or isinstance(value, Unknown):
        yield path, value
        return
    step, rest = steps[0], steps[1:]
    key = step.removesuffix("[]")
    path = joined_path(path, key)
    inner = value.get(key) if isinstance(value, Mapping) else None
    if key == step or isinstance(inner, Unknown):
        yield from _every(inner, path, rest)
        return
    for index, each in enumerate(inner or ()):
        yield from _every(each, joined_path(path, index), rest)


def texts(value: Any) -> tuple[str, ...]:
    """One text or several, as policies have it; of what is no text, its JSON."""
    if isinstance(value, Unknown):
        raise UnknownUsedError(value.path)
    if value is None:
        return ()
    if isinstance(value, str) or not isinstance(value, Sequence):
        return (value if isinstance(value, str) else json.dumps(value),)
    return tuple(text for each in value for text in texts(each))


def decoded(value: Any) -> Any:
    """What a text of JSON says; of what is none, the value itself. Providers' lists and mappings
    are such texts on the wire.
    """
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def region_of(resource: Resource) -> Any:
    """Its own, or else its provider's; None where that is not told."""
    own = resource.get("region")
    return resource.provider.get("region") if own is None else own
