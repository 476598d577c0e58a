"""Resources as controls see them, one by one and joined by reference."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from policies.values import Unknown


def is_of(token: str, types: Iterable[str]) -> bool:
    """Whether a type is one of these; `*` stands for any text."""
    return any(token == each or ("*" in each and fnmatchcase(token, each)) for each in types)


@dataclass(frozen=True)
class Resource:
    """props: inputs (at preview, and before creation) or outputs (of a stack), see values.py.

    references: {property: URNs of the resources it was taken from}; of a stack's resources alone.
    parent: URN, or empty. provider: its provider's properties; empty where that is not told.
    """

    type: str
    name: str
    urn: str
    props: Mapping[str, Any]
    protect: bool = False
    parent: str = ""
    references: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    provider: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What a person calls it: `Bucket vault-logs`."""
        return f"{self.type.rpartition(':')[2]} {self.name}"

    def get(self, path: str) -> Any:
        """The value at `spec.template`; None where there is none, Unknown where that is not known.

        Steps into mappings alone.
        """
        value: Any = self.props
        for key in path.split("."):
            if isinstance(value, Unknown):
                return value
            if not isinstance(value, Mapping):
                return None
            value = value.get(key)
        return value


@dataclass(frozen=True)
class Joined:
    """found: those that refer to a resource for certain. possible: those of which it cannot be
    told yet, since what they refer to is not known and no reference was recorded.
    """

    found: tuple[Resource, ...]
    possible: tuple[Resource, ...]


class Stack:
    """Resources of a stack, of the types that a control declares."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._resources = tuple(resources)
        self._by_urn = {each.urn: each for each in self._resources}

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._resources)

    def of(self, types: Iterable[str]) -> tuple[Resource, ...]:
        """Those of these types, in the order of registration."""
        wanted = tuple(types)
        return tuple(each for each in self._resources if is_of(each.type, wanted))

    def by_urn(self, urn: str) -> Resource | None:
        """The one of a URN."""
        return self._by_urn.get(urn)

    def referring(
        self, target: Resource, types: Iterable[str], key: str, names: Iterable[str]
    ) -> Joined:
        """Resources of these types whose property `key` means the target.

        names: properties of the target by whose value one may refer to it, such as its id. What is
        written out decides where both sides are known; otherwise the reference that the program
        recorded, which is there at preview too.
        """
        values = [target.get(name) for name in names]
        known = {each for each in values if isinstance(each, str)}
        found, possible = [], []
        for each in self.of(types):
            written = each.get(key)
            recorded = each.references.get(key, ())
            if isinstance(written, str) and (written in known or len(known) == len(values)):
                if written in known:
                    found.append(each)
            elif recorded == (target.urn,):
                found.append(each)
            elif target.urn in recorded or (isinstance(written, Unknown) and not recorded):
                possible.append(each)
        return Joined(tuple(found), tuple(possible))
