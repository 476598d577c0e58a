"""Generated passwords cannot be guessed."""

import math

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.parameters import Parameter
from policies.resources import Resource

# {which: how many there are}; of each kind, all are used unless the program says otherwise.
KINDS = {"lower": 26, "upper": 26, "numeric": 10}
# What the provider takes for special, where the program says nothing.
SPECIAL = "!@#$%&*()-_=+[]{}<>:?"


def check(password: Resource, settings: Settings) -> Findings:
    """By how many there could be."""
    letters = sum(count for kind, count in KINDS.items() if password.get(kind) != False)  # noqa: E712
    if password.get("special") != False:  # noqa: E712
        letters += len(password.get("overrideSpecial") or SPECIAL)
    bits = (password.get("length") or 0) * math.log2(max(letters, 1))
    if bits < settings["minimum_bits"]:
        yield Finding("length", f"makes less than {settings['minimum_bits']} bits")


CONTROL = ResourceControl(
    module=__name__,
    title="Generated passwords cannot be guessed",
    why="who holds a backup or a hash guesses at leisure, and nobody has to type a long one",
    mend="Set length to 32.",
    references=("PCI DSS 4.0.1 8.3.6", "PCI DSS 4.0.1 8.6.3", "GDPR Art. 32(1)(a)"),
    severity=Severity.HIGH,
    types=("random:index/randomPassword:RandomPassword",),
    when_unknown=WhenUnknown.BLOCK,
    parameters={
        "minimum_bits": Parameter(
            "integer", 128, "The logarithm of how many there could be, base 2.", minimum=64
        )
    },
    check=check,
)
