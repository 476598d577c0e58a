"""What the Pulumi CLI's own log of a preview tells: one JSON object a line, one event each.

The format is the engine's (sdk/go/common/apitype/events.go of pulumi/pulumi). Secrets in it are
blinded, and no value is taken from it: only names.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from policies.evaluate import COULD_NOT_RUN, Evaluation, Violation, Waiting
from standalone.plan import WORDS, Action, Change, Step

# The steps of a replacement besides the one that names it are left out.
ACTIONS = {
    "create": Action.CREATE,
    "import": Action.CREATE,
    "update": Action.UPDATE,
    "replace": Action.REPLACE,
    "delete": Action.DELETE,
    "same": Action.UNCHANGED,
}
PROVIDER = "pulumi:providers:"
COLOUR = re.compile(r"<\{%.*?%\}>")


def read(text: str) -> list[Mapping[str, Any]]:
    """Events of a log; a line cut short, as by a CLI that was killed, is none."""
    found = []
    for line in text.splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def steps(events: Iterable[Mapping[str, Any]]) -> Iterator[Step]:
    """What would become of each resource that a provider makes, in the engine's order."""
    for event in events:
        step = (event.get("resourcePreEvent") or {}).get("metadata") or {}
        state = step.get("new") or step.get("old") or {}
        if step.get("op") in ACTIONS and state.get("custom"):
            name = step["urn"].rpartition("::")[2]
            if not step["type"].startswith(PROVIDER):
                action = ACTIONS[step["op"]]
                yield Step(step["type"].rpartition(":")[2], name, Change(action, _reason(step)))


def _reason(step: Mapping[str, Any]) -> str:
    """“image, spec.template changed”, or nothing."""
    if step["op"] == "import":
        return "is there already, and is taken over"
    if step["op"] not in ("update", "replace"):
        return ""
    detailed = step.get("detailedDiff") or {}
    if step["op"] == "replace":
        forcing = [key for key, each in detailed.items() if each["diffKind"].endswith("replace")]
        paths = forcing or step.get("keys") or ()
    else:
        paths = detailed or step.get("diffs") or ()
    names = {WORDS.get(each, each) for each in filter(None, map(_named, paths))}
    return f"{', '.join(sorted(names))} changed" if names else ""


def _named(path: str) -> str:
    """`spec.template` of `spec.template.metadata["a key"]`: the type's own names, two at most."""
    found = re.match(r"[A-Za-z]+(\.[A-Za-z]+)?", path)
    return found.group() if found else ""


def said(events: Iterable[Mapping[str, Any]]) -> Evaluation:
    """What the policies said."""
    violations, waiting = [], []
    for event in events:
        found = event.get("policyEvent")
        if not found:
            continue
        text = COLOUR.sub("", found["message"]).strip()
        if text.startswith(COULD_NOT_RUN):
            waiting.append(Waiting(found["policyName"], text.partition(" during preview: ")[2]))
        else:
            mandatory = found["enforcementLevel"] == "mandatory"
            urn = found.get("resourceUrn", "")
            violations.append(Violation(found["policyName"], urn, text, mandatory))
    return Evaluation(tuple(violations), tuple(waiting))


def errors(events: Iterable[Mapping[str, Any]]) -> list[str]:
    """Lines of what went wrong."""
    texts = (
        found["message"]
        for event in events
        if (found := event.get("diagnosticEvent")) and found["severity"] == "error"
    )
    return [line for text in texts for line in COLOUR.sub("", text).strip().splitlines()]


def warnings(events: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """What the program warned of."""
    return tuple(
        COLOUR.sub("", found["message"]).strip()
        for event in events
        if (found := event.get("diagnosticEvent")) and found["severity"] == "warning"
    )
