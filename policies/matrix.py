"""The compliance matrix, made of what the controls say of themselves.

python -m policies.matrix [policy-config.json] > docs/compliance.md
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from policies.contract import Control, Level, ResourceControl, WhenUnknown
from policies.discover import controls
from policies.environment import ENVIRONMENTS
from policies.evaluate import Configuration, read_configuration
from policies.frameworks import FCA, REQUIREMENTS
from policies.parameters import EXCUSED, Parameter

HEAD = """# Compliance matrix

Which requirement is served by which control of the [policy pack](../policies/README.md), where that
control is enforced, and what shows that it works. Made of the controls' own metadata, and the tests
fail when it is stale:

```
{command}
```

A control looks at what a program declares, before it is made and again at `up`. It proves that the
declaration is right; that what was declared is what runs is shown by other things (drift checks,
drills, restore tests). What PCI DSS 4.0.1 and the GDPR ask is told in this project's own words;
what the FCA's Handbook asks of a data platform is this project's own reading. Serving a requirement
is less than meeting all of it.
"""
COMMAND = ".venv/bin/python -m policies.matrix policy-config.json > docs/compliance.md"
WHERE = {
    WhenUnknown.BLOCK: "preview and up; a value not known at preview stops it",
    WhenUnknown.DEFER: "preview and up; waits for a value not known at preview",
}


def matrix(configuration: Configuration | None = None) -> str:
    """Markdown. configuration: a project's own, whose levels and exceptions are listed."""
    found = controls()
    lines = [HEAD.format(command=COMMAND), *_in_short(found)]
    for framework in REQUIREMENTS:
        lines += [*_served(framework, found), *_not_served(framework, found)]
    lines += [*_controls(found), *_exceptions(configuration or {})]
    return "\n".join(lines)


def _serving(framework: str, number: str, found: tuple[Control, ...]) -> list[Control]:
    return [each for each in found if f"{framework} {number}" in each.references]


def _in_short(found: tuple[Control, ...]) -> Iterator[str]:
    yield "| | requirements listed | served by a control | by none |"
    yield "|---|--:|--:|--:|"
    for framework, numbers in REQUIREMENTS.items():
        served = sum(bool(_serving(framework, number, found)) for number in numbers)
        yield f"| {_title(framework)} | {len(numbers)} | {served} | {len(numbers) - served} |"
    yield ""
    yield f"{len(found)} controls."
    yield ""


def _title(framework: str) -> str:
    return framework.removesuffix(" Art.")


def _served(framework: str, found: tuple[Control, ...]) -> Iterator[str]:
    yield f"## {_title(framework)}"
    yield ""
    if framework == FCA:
        yield "This project's own reading."
        yield ""
    yield "| requirement | asks | control | where it is enforced | evidence |"
    yield "|---|---|---|---|---|"
    for number, asks in REQUIREMENTS[framework].items():
        for control in _serving(framework, number, found):
            cells = (number, asks, _link(control), _where(control), _evidence(control))
            yield f"| {' | '.join(cells)} |"
            # Said once for all its controls.
            number, asks = "", ""
    yield ""


def _not_served(framework: str, found: tuple[Control, ...]) -> Iterator[str]:
    left = {
        number: asks
        for number, asks in REQUIREMENTS[framework].items()
        if not _serving(framework, number, found)
    }
    if not left:
        return
    yield f"### {_title(framework)}: served by no control"
    yield ""
    yield "Met, if at all, by what runs or by people, and not by looking at a declaration."
    yield ""
    yield "| requirement | asks |"
    yield "|---|---|"
    for number, asks in left.items():
        yield f"| {number} | {asks} |"
    yield ""


def _link(control: Control) -> str:
    return f"[{control.id}](#{control.id})"


def _where(control: Control) -> str:
    return f"{_levels(control)}, at {WHERE[control.when_unknown]}"


def _levels(control: Control) -> str:
    """“mandatory”, or “mandatory (local: advisory)”."""
    levels = {each: control.enforcement.of(each) for each in ENVIRONMENTS}
    usual = levels["production"]
    others = [f"{each}: {level.value}" for each, level in levels.items() if level is not usual]
    return usual.value + (f" ({', '.join(others)})" if others else "")


def _evidence(control: Control) -> str:
    path = control.module.removeprefix("policies.controls.").replace(".", "/")
    return (
        f"[spec](../tests/policies/specs/{path}.py), [mutations](policy-mutations.md#{control.id})"
    )


def _controls(found: tuple[Control, ...]) -> Iterator[str]:
    yield "## The controls"
    for control in found:
        yield ""
        yield f"### {control.id}"
        yield ""
        yield f"**{control.title}**: {control.why}. {control.mend}"
        yield ""
        looks = "each resource" if isinstance(control, ResourceControl) else "resources joined"
        path = control.module.replace(".", "/")
        yield f"- severity {control.severity.value}; {_levels(control)}"
        yield f"- looks at {looks}: {', '.join(f'`{each}`' for each in control.types)}"
        yield f"- serves {', '.join(control.references)}"
        for name, parameter in control.parameters.items():
            yield f"- `{name}`: {parameter.description} {_defaults(parameter)}"
        yield f"- [{path}.py](../{path}.py)"
    yield ""


def _defaults(parameter: Parameter) -> str:
    per = {each: parameter.default_in(each) for each in ENVIRONMENTS}
    if all(value == per["production"] for value in per.values()):
        return f"Default {_shown(per['production'])}."
    return f"Default {', '.join(f'{each}: {_shown(value)}' for each, value in per.items())}."


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(f"`{each}`" for each in value) or "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"`{value}`" if isinstance(value, str) else str(value)


def _exceptions(configuration: Configuration) -> Iterator[str]:
    """Where a project departs from the pack."""
    yield "## What this project departs from"
    yield ""
    rows = [
        row for name, given in sorted(configuration.items()) for row in _departures(name, given)
    ]
    if not rows:
        yield "Nothing: every control holds as it is."
        return
    yield "| control | what | why |"
    yield "|---|---|---|"
    yield from rows


def _departures(name: str, given: str | Mapping[str, Any]) -> Iterator[str]:
    if isinstance(given, str):
        yield f"| {name} | level {Level(given).value} | |"
        return
    for key, value in given.items():
        if key == EXCUSED:
            for resource, reason in value.items():
                yield f"| {name} | excused: `{resource}` | {reason} |"
        else:
            yield f"| {name} | {key}: {_shown(value)} | |"


def main(arguments: list[str]) -> None:
    """Prints the matrix; the one argument there can be is a project's configuration of the pack."""
    print(matrix(read_configuration(Path(arguments[0])) if arguments else None))


if __name__ == "__main__":
    main(sys.argv[1:])
