"""The mutation report: every change of the program, and what the pack said of it.

    python tests/policies/mutation_report.py > docs/policy-mutations.md

Runs everything anew. Exit status 1 when somewhere not exactly the one control fired; it is all in
the report then too.
"""

import datetime
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

if __name__ == "__main__":
    HERE = Path(__file__).resolve().parent
    sys.path[:0] = [str(HERE.parents[1]), str(HERE)]

import mutants
import policy_stacks as stacks
from mutants import Key, Outcome
from policies.discover import controls
from policies.evaluate import evaluate
from policy_spec import Mutation

COMMAND = ".venv/bin/python tests/policies/mutation_report.py > docs/policy-mutations.md"
PACKAGES = ("pulumi", "pulumi-policy", "pulumi-aws", "pulumi-docker", "pulumi-kubernetes")
# Of a changed text, in the table.
LONGEST = 70

HEAD = """# Mutations of the program

Does a control notice? For each, the program is changed in a way that the control forbids, and run
as a whole; then the whole pack, configured as in this project, is asked in the policy SDK's own
servicer. Exactly that control must fire, and on the stacks as they are none may. The changes stand
in `tests/policies/specs/`, and every run of the tests does all of this again; this page is one such
run:

```
{command}
```

On {date}, with {packages}.
"""


def real_stacks() -> dict[str, tuple[int, list[str]]]:
    """{stack: (number of resources, the controls that fire)}."""
    configuration = stacks.policy_configuration()
    found = {}
    for stack in stacks.STACKS:
        asked = stacks.registrations(mutants.recorded(stack))
        said = evaluate(asked, stack, configuration).violations
        found[stack] = len(asked), sorted({each.control for each in said})
    return found


def report(
    real: dict[str, tuple[int, list[str]]], outcomes: list[Outcome], changes: dict[Key, Mutation]
) -> Iterator[str]:
    """Markdown, line by line."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    yield HEAD.format(date=date, packages=packages, command=COMMAND)
    right = sum(each.right for each in outcomes)
    yield f"{len(controls())} controls, {len(outcomes)} changed programs."
    yield f"Exactly the control that forbids the change fired in {right} of {len(outcomes)}."
    yield ""
    yield "| the stack as it is | resources | controls that fire |"
    yield "|---|--:|---|"
    for stack, (number, fired) in real.items():
        yield f"| {stack} | {number} | {', '.join(fired) or 'none'} |"
    for control in controls():
        yield ""
        yield f"## {control.id}"
        yield ""
        yield f"{control.title}."
        yield ""
        yield "| changed | stack | how | fired | on resources |"
        yield "|---|---|---|---|--:|"
        for each in outcomes:
            if each.control == control.id:
                change = changes[each.control, each.what]
                yield f"| {' | '.join(_row(each, change))} |"


def _row(found: Outcome, change: Mutation) -> tuple[str, ...]:
    fired = ", ".join(sorted(found.fired)) or ("could not be run" if found.error else "none")
    on = len(set(found.fired.get(found.control, ())))
    return (
        _cell(found.what),
        change.stack,
        _how(change),
        fired if found.right else f"**{fired}**",
        str(on),
    )


def _how(change: Mutation) -> str:
    edits = [
        f"`{each.file}`: {_code(each.old)} → {_code(each.new) if each.new else 'nothing'}"
        for each in change.edits
    ]
    return "; ".join([*edits, *(f"`{key}: {value}`" for key, value in change.settings.items())])


def _code(text: str) -> str:
    """One line, as code."""
    short = " ".join(text.replace("`", " ").split())
    if len(short) > LONGEST:
        short = f"{short[:LONGEST]}…"
    return f"`{_cell(short)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    """Prints the report; returns the exit status."""
    changes = mutants.mutations()
    with mutants.outcomes(changes) as found:
        outcomes = [found.of(key) for key in changes]
    real = real_stacks()
    print("\n".join(report(real, outcomes, changes)))
    for each in outcomes:
        if each.error:
            print(f"{each.control}: {each.what}:\n{each.error}", file=sys.stderr)
    clean = not any(fired for _, fired in real.values())
    return 0 if clean and all(each.right for each in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
