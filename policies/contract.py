"""What a control is."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from policies.environment import PerEnvironment, everywhere
from policies.parameters import EXCEPTIONS, EXCUSED, Parameter
from policies.resources import Resource, Stack, is_of
from policies.values import UnknownUsedError

# Where controls are; what follows in a module's name is the control's.
CONTROLS = "policies.controls."


class Level(Enum):
    """What a violation does."""

    ADVISORY = "advisory"
    MANDATORY = "mandatory"
    DISABLED = "disabled"


class Severity(Enum):
    """How bad it is to go on all the same."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class WhenUnknown(Enum):
    """What a control does about a value that is not known at preview.

    BLOCK: the same as about a wrong one. For what must stand in the program itself.
    DEFER: says that it could not look, and looks when `up` knows: at a resource, before that is
    created; at a stack, once `up` is through.
    """

    BLOCK = "block"
    DEFER = "defer"


@dataclass(frozen=True)
class Finding:
    """where: the value's name. what: what is wrong with it, as in "is not true"; never the value of
    a text, which may be a secret. on: the resource, for controls of a stack.
    """

    where: str
    what: str
    on: Resource | None = None


@dataclass(frozen=True)
class Unseen:
    """A value that is not known yet."""

    where: str
    on: Resource | None = None


Findings = Iterable[Finding | Unseen]
Settings = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Control:
    """module: `__name__` of the module it is in, of which comes its name. title: what must be.
    why: what happens otherwise. mend: what to do about it. references: requirements it serves, as
    in frameworks.py. parameters: what can be configured besides exceptions.
    """

    module: str
    title: str
    why: str
    mend: str
    references: tuple[str, ...]
    severity: Severity
    types: tuple[str, ...]
    when_unknown: WhenUnknown
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    enforcement: PerEnvironment[Level] = field(default_factory=lambda: everywhere(Level.MANDATORY))

    @property
    def id(self) -> str:
        """`aws-bucket-versioning`, of the module's path."""
        return self.module.removeprefix(CONTROLS).replace(".", "-").replace("_", "-")

    @property
    def area(self) -> str:
        """The folder it is in."""
        return self.module.removeprefix(CONTROLS).partition(".")[0]

    @property
    def description(self) -> str:
        """A violation's first line."""
        return f"{self.title}: {self.why}"

    @property
    def settings(self) -> Mapping[str, Parameter]:
        """All that can be configured: its own, and who is excused."""
        return {**self.parameters, EXCUSED: EXCEPTIONS}

    def applies_to(self, token: str) -> bool:
        """Whether it looks at resources of a type."""
        return is_of(token, self.types)

    def says(self, found: Finding | Unseen, resource: Resource) -> str:
        """A violation's second line."""
        what = "is not known before up" if isinstance(found, Unseen) else found.what
        return f"{resource.title}: {found.where} {what}. {self.mend}"

    def waits(self, unseen: Unseen, resource: Resource) -> str:
        """What it says of a value for which it waits."""
        return f"{resource.title}: {unseen.where} is not known yet, and is looked at when it is"


@dataclass(frozen=True, kw_only=True)
class ResourceControl(Control):
    """Looks at one resource at a time, before that is created or changed."""

    check: Callable[[Resource, Settings], Findings]

    def findings(self, resource: Resource, settings: Settings) -> Iterator[Finding | Unseen]:
        """All there is to say of a resource; a value that `check` asked for in vain ends it."""
        try:
            yield from self.check(resource, settings)
        except UnknownUsedError as error:
            yield Unseen(error.path)


@dataclass(frozen=True, kw_only=True)
class StackControl(Control):
    """Joins resources: looks at each of `subjects` with all others of `types` at hand."""

    subjects: tuple[str, ...]
    check: Callable[[Resource, Stack, Settings], Findings]

    def findings(self, stack: Stack, settings: Settings) -> Iterator[Finding | Unseen]:
        """All there is to say of a stack; see ResourceControl."""
        for subject in stack.of(self.subjects):
            try:
                yield from self.check(subject, stack, settings)
            except UnknownUsedError as error:
                yield Unseen(error.path, subject)
