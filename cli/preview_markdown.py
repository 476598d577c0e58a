"""A preview as the comment on a pull request.

Names are shown, and what controls say, which is never a text of a resource; so nothing secret is in
it. Names are whatever a program makes of its settings: they are escaped, since a comment can call
people, load pictures and end its own table.
"""

import re
from collections.abc import Iterable, Iterator

from cli.apply import Plan
from cli.preview_texts import NOT_COMPARED, Finding, findings, policies_in_short, summary
from standalone.plan import Action, Step

# GitHub takes 65,536 characters, and one comment holds two stacks.
LONGEST = 32_000
# What is done to what there is, first.
ORDER = (Action.DELETE, Action.REPLACE, Action.UPDATE, Action.CREATE, Action.REGISTER)
TITLES = {each: f"to {each.value}" for each in ORDER}
# More rows are folded away.
SHORT = 15
# Of one control; what it says of the others is the same.
MOST = 20
SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&])")


def marker(stack: str) -> str:
    """By which the comment is found again, to be updated."""
    return f"<!-- selfmonitor preview of {stack} -->"


def comment(stack: str, environment: str, plan: Plan) -> str:
    """Markdown, at most LONGEST characters; what does not fit is counted."""
    head = [
        marker(stack),
        f"## {'❌' if plan.judged.blocks else '✅'} Preview of {stack}",
        "",
        f"{in_short(plan)}<br>{policies_in_short(plan.judged, environment)}",
        *(("", f"> {NOT_COMPARED}") if not plan.compared else ()),
        *(line for warning in plan.warnings for line in ("", f"> ⚠️ {escaped(warning)}")),
    ]
    room = LONGEST - len("\n".join(head)) - 200
    said, left_out = fitting(policies(plan), room)
    if left_out:
        said.append(f"\n**{left_out} lines more**: `./selfmonitor preview --stack {stack}`")
    planned, left_out = fitting(steps(plan.steps), room - len("\n".join(said)))
    if left_out:
        opened = sum(line.startswith("<details") for line in planned)
        if opened > planned.count("</details>"):
            planned.append("\n</details>")
        planned.append(f"\n{left_out} lines more: `-o text` shows them all")
    return "\n".join([*head, *said, *planned])


def fitting(lines: Iterable[str], room: int) -> tuple[list[str], int]:
    """The lines there is room for, and how many there are besides."""
    everything = list(lines)
    found: list[str] = []
    for line in everything:
        room -= len(line) + 1
        if room < 0:
            break
        found.append(line)
    return found, len(everything) - len(found)


def in_short(plan: Plan) -> str:
    """“1 to replace, 3 to create, 250 unchanged”."""
    counts = summary(plan.steps)
    parts = [f"**{counts[each.value]} {TITLES[each]}**" for each in ORDER if counts[each.value]]
    unchanged = counts[Action.UNCHANGED.value]
    return ", ".join([*parts, *([f"{unchanged} unchanged"] if unchanged else [])]) or "no resources"


def policies(plan: Plan) -> Iterator[str]:
    """Each control that has something to say, each resource of which it has."""
    for finding in findings(plan.judged):
        yield from _policy(finding)
    for each in plan.judged.waiting:
        yield ""
        yield f"- `{each.control}` waits: {escaped(each.text)}"


def _policy(finding: Finding) -> Iterator[str]:
    from policies.discover import controls

    control = next((each for each in controls() if each.id == finding.control), None)
    mark, level = ("❌", "mandatory") if finding.mandatory else ("⚠️", "advisory")
    title, _, why = finding.what.partition(": ")
    yield ""
    yield f"### {mark} {escaped(title)}"
    of = [f"`{finding.control}`", level]
    if control:
        of += [f"severity {control.severity.value}", *control.references]
    yield ", ".join(of)
    yield ""
    if why:
        yield f"Why it matters: {escaped(why)}."
        yield ""
    # Said once: it is the same for all.
    mend = control.mend if control else ""
    if mend:
        yield f"**How to mend it:** {escaped(mend)}"
        yield ""
    for text in finding.texts[:MOST]:
        yield f"- {escaped(text.removesuffix(mend).strip())}"
    if len(finding.texts) > MOST:
        yield f"- and {len(finding.texts) - MOST} more"


def steps(planned: Iterable[Step]) -> Iterator[str]:
    """A table each of what is to be deleted, replaced, updated and created, with the reasons."""
    everything = list(planned)
    for action in ORDER:
        rows = [each for each in everything if each.change.action is action]
        if not rows:
            continue
        folded = len(rows) > SHORT or action in (Action.CREATE, Action.REGISTER)
        yield ""
        yield f"<details{'' if folded else ' open'}><summary>{len(rows)} {TITLES[action]}</summary>"
        yield ""
        yield from _kinds(rows) if action is Action.REGISTER else _table(rows)
        yield ""
        yield "</details>"


def _table(rows: list[Step]) -> Iterator[str]:
    why = any(each.change.reason for each in rows)
    yield f"| kind | name |{' why |' if why else ''}"
    yield f"|---|---|{'---|' if why else ''}"
    for each in rows:
        cells = [each.kind, each.name, *([each.change.reason] if why else [])]
        yield f"| {' | '.join(map(escaped, cells))} |"


def _kinds(rows: list[Step]) -> Iterator[str]:
    yield "| kind | how many | names |"
    yield "|---|--:|---|"
    for kind in sorted({each.kind for each in rows}):
        names = sorted(each.name for each in rows if each.kind == kind)
        yield f"| {escaped(kind)} | {len(names)} | {escaped(', '.join(names))} |"


def escaped(text: str) -> str:
    """Nothing in it is Markdown, HTML, or the name of somebody to call."""
    plain = SPECIAL.sub(r"\\\1", " ".join(text.split()))
    # Escaped, it would call people all the same; before a word joiner it does not.
    return plain.replace("@", "@\u2060")
