"""Values of resources, of which some are not known before `up`."""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from pulumi_policy.proxy import UnknownValueError


class UnknownUsedError(Exception):
    """A control asked what a value is that is not known yet. path: the value's name."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} is not known yet")
        self.path = path


class Unknown:
    """A value that is not known yet.

    It is equal to nothing and different from nothing: whatever asks raises UnknownUsedError, so
    that no control takes it for a good value, or for a missing one. Only `is` and isinstance do
    not ask.
    """

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"Unknown({self.path!r})"

    def _used(self, *_: object) -> NoReturn:
        raise UnknownUsedError(self.path)

    __bool__ = __len__ = __iter__ = __contains__ = __getitem__ = _used
    __lt__ = __le__ = __gt__ = __ge__ = __str__ = __format__ = __int__ = __float__ = _used
    __add__ = __radd__ = __sub__ = __rsub__ = __getattr__ = _used
    __eq__ = __ne__ = _used
    __hash__ = _used


def joined_path(path: str, key: str | int) -> str:
    """`spec.containers[0].image`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


def plain(value: Any, path: str = "") -> Any:
    """Values as the policy SDK hands them out, as plain ones.

    Mappings become dicts, sequences lists, whole numbers ints (the wire has floating ones alone),
    and what is unknown, on whose touch the SDK gives the whole control up, an Unknown.
    """
    if isinstance(value, Mapping):
        return {key: _member(value, key, joined_path(path, key)) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [
            _member(value, index, joined_path(path, index))  # type: ignore[arg-type]
            for index in range(len(value))
        ]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _member(container: Mapping[Any, Any], key: Any, path: str) -> Any:
    try:
        value = container[key]
    except UnknownValueError:
        return Unknown(path)
    return plain(value, path)
