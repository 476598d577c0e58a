"""How often backups are made and how long they are kept, as files and schedules say."""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from policies.contract import Finding, Settings, Unseen
from policies.environment import PerEnvironment, everywhere
from policies.parameters import Parameter
from policies.reading.cron import longest_gap_hours
from policies.reading.files import at, parsed
from policies.values import Unknown

MAXIMUM_HOURS = Parameter(
    "integer", everywhere(24), "The longest time without a backup, hours.", minimum=1
)
RETENTION: Mapping[str, Parameter] = {
    "minimum_days": Parameter(
        "integer", PerEnvironment(7, 7, 30), "How long backups are kept at least, days.", minimum=1
    ),
    "values": Parameter(
        "strings",
        ("backup.json:retention_days", "vault.json:lock_days"),
        "Where it stands: file:key, in days, of a file in JSON or YAML.",
    ),
}


def together(jobs: str, schedules: Mapping[str, Any]) -> list[Any]:
    """Schedules of those whose names match one of the patterns in a text, parted by spaces: jobs
    that are one kind of backup together.
    """
    return [
        schedule
        for name, schedule in schedules.items()
        if any(fnmatchcase(name, pattern) for pattern in jobs.split())
    ]


def too_seldom(schedules: list[Any], maximum_hours: int) -> str | None:
    """What is wrong with how often backups are made; None: nothing. Raises UnknownUsedError."""
    if not schedules:
        return "is missing"
    try:
        longest = longest_gap_hours([str(each) for each in schedules])
    except ValueError:
        return "has a schedule that is none"
    if longest is None or longest > maximum_hours:
        return f"leaves more than {maximum_hours} hours without a backup"
    return None


def kept_too_short(
    path: str, name: str, text: Any, settings: Settings
) -> Iterator[Finding | Unseen]:
    """What is wrong with one file. path: where it is. name: what it is called."""
    for value in settings["values"]:
        file, _, key = value.partition(":")
        if file != name:
            continue
        if isinstance(text, Unknown):
            yield Unseen(path)
            continue
        days = at(parsed(str(text)), key)
        if isinstance(days, bool) or not isinstance(days, int | float):
            yield Finding(f"{path} {key}", "is no number of days")
        elif days < settings["minimum_days"]:
            yield Finding(f"{path} {key}", f"is less than {settings['minimum_days']}")
