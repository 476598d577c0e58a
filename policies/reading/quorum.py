"""How many there must be of those that agree by majority, or that stand in for each other."""

from collections.abc import Mapping

from policies.contract import Settings
from policies.parameters import Parameter

LEAST = 3
PARAMETERS: Mapping[str, Parameter] = {
    "voters": Parameter(
        "strings",
        ("etcd", "postgres", "sentinel"),
        "Workloads of which a majority decides: three or more, and an odd number.",
    ),
    "members": Parameter(
        "strings",
        ("redis",),
        "Workloads that stand in for each other, and on which others vote: three or more.",
    ),
}


def counted(name: str, settings: Settings) -> bool:
    """Whether it matters how many there are of a workload."""
    return name in settings["voters"] or name in settings["members"]


def wrong(name: str, count: int, settings: Settings) -> str | None:
    """What is wrong with a workload's number, as in "is even"; None: nothing."""
    if count < LEAST:
        return f"is {count}, less than {LEAST}"
    if name in settings["voters"] and count % 2 == 0:
        return f"is {count}, which survives no more failures than {count - 1}"
    return None
