"""What of a control can be configured: declared once, checked here and by the Pulumi CLI."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from policies.environment import ConfigurationError, PerEnvironment, everywhere

Kind = Literal["integer", "boolean", "string", "strings", "reasons"]
# Every control has it.
EXCUSED = "excused"


@dataclass(frozen=True)
class Parameter:
    """kind: strings is a list of texts, reasons {name: text}. default: a value, or one per
    environment. minimum: of an integer. choices: of a string, or of each of several.
    """

    kind: Kind
    default: Any
    description: str
    minimum: int | None = None
    choices: tuple[str, ...] = ()

    def default_in(self, environment: str) -> Any:
        """What holds where nobody configured anything; lists as lists."""
        per = self.default if isinstance(self.default, PerEnvironment) else everywhere(self.default)
        value = per.of(environment)
        return list(value) if self.kind == "strings" else value

    def schema(self, environment: str) -> dict[str, Any]:
        """JSON Schema, with the environment's default."""
        text: dict[str, Any] = {"type": "string"}
        if self.choices:
            text["enum"] = list(self.choices)
        found: dict[str, Any]
        if self.kind == "strings":
            found = {"type": "array", "items": text}
        elif self.kind == "reasons":
            found = {"type": "object", "additionalProperties": {"type": "string", "minLength": 1}}
        elif self.kind == "string":
            found = text
        else:
            found = {"type": self.kind}
        if self.minimum is not None:
            found["minimum"] = self.minimum
        return {
            **found,
            "description": self.description,
            "default": self.default_in(environment),
        }

    def error(self, value: Any) -> str | None:
        """What is wrong with a value, as in "must be …"; None: nothing."""
        if self.kind == "boolean":
            return None if isinstance(value, bool) else "must be true or false"
        if self.kind == "integer":
            if isinstance(value, bool) or not isinstance(value, int | float) or value % 1:
                return "must be a whole number"
            low = self.minimum is not None and value < self.minimum
            return f"must be at least {self.minimum}" if low else None
        if self.kind == "strings":
            if not isinstance(value, Sequence) or isinstance(value, str):
                return "must be a list of texts"
            return next(filter(None, map(self._text_error, value)), None)
        if self.kind == "reasons":
            texts = isinstance(value, Mapping) and all(
                isinstance(each, str) and each for each in value.values()
            )
            return None if texts else "must give a reason for each name: {name: reason}"
        return self._text_error(value)

    def _text_error(self, value: Any) -> str | None:
        if not isinstance(value, str):
            return "must be a text" if self.kind == "string" else "must be a list of texts"
        if self.choices and value not in self.choices:
            return f"must be one of: {', '.join(self.choices)}"
        return None


EXCEPTIONS = Parameter(
    "reasons", {}, "Resources that are excused, by name, each with the reason it is."
)


def settle(
    control: str,
    parameters: Mapping[str, Parameter],
    given: Mapping[str, Any],
    environment: str,
) -> dict[str, Any]:
    """A control's parameters: what was given over the environment's defaults.

    Raises ConfigurationError, one line, for the first key or value that cannot be.
    """
    for key in given:
        if key not in parameters:
            known = ", ".join(sorted(parameters)) or "none"
            raise ConfigurationError(f"{control}: there is no setting {key}; there are: {known}")
    values = {key: each.default_in(environment) for key, each in parameters.items()}
    for key, value in given.items():
        problem = parameters[key].error(value)
        if problem:
            raise ConfigurationError(f"{control}: {key} {problem}")
        values[key] = int(value) if parameters[key].kind == "integer" else value
    return values
