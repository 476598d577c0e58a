"""Where there is data, backups are made every day."""

from policies.contract import (
    Finding,
    Findings,
    Settings,
    Severity,
    StackControl,
    Unseen,
    WhenUnknown,
)
from policies.parameters import Parameter
from policies.reading.backups import MAXIMUM_HOURS, together, too_seldom
from policies.reading.docker import CONTAINERS, keeps_data, uploads
from policies.reading.files import at, parsed
from policies.resources import Resource, Stack
from policies.values import Unknown


def check(subject: Resource, stack: Stack, settings: Settings) -> Findings:
    """Docker has no scheduler: what runs when stands in a file. Of the first container that keeps
    data, if there is no such file.
    """
    name, _, key = settings["schedules"].partition(":")
    files = list(_files(subject, name))
    for path, text in files:
        if isinstance(text, Unknown):
            yield Unseen(path, subject)
            continue
        found = at(parsed(str(text)), key)
        schedules = found if isinstance(found, dict) else {}
        for jobs in settings["jobs"]:
            wrong = too_seldom(together(jobs, schedules), settings["maximum_hours"])
            if wrong:
                yield Finding(f"{path} {key}: {jobs}", wrong, subject)
    if not files and _is_first(subject, stack) and not any(_anywhere(stack, name)):
        yield Finding(f"file {name}", "is missing, which says when", subject)


def _files(container: Resource, name: str) -> list[tuple[str, object]]:
    return [(path, text) for path, called, text in uploads(container) if called == name]


def _anywhere(stack: Stack, name: str) -> list[tuple[str, object]]:
    return [file for each in stack.of(CONTAINERS) for file in _files(each, name)]


def _is_first(subject: Resource, stack: Stack) -> bool:
    return subject is next(filter(keeps_data, stack.of(CONTAINERS)), None)


CONTROL = StackControl(
    module=__name__,
    title="Backups are made every day",
    why="what was written since the last one is lost when all replicas are wrong alike",
    mend="Give what makes backups a schedule that leaves out no day, in the file of schedules.",
    references=("PCI DSS 4.0.1 12.10.1", "GDPR Art. 32(1)(c)", "FCA SYSC 4.1.7"),
    severity=Severity.HIGH,
    types=CONTAINERS,
    subjects=CONTAINERS,
    when_unknown=WhenUnknown.DEFER,
    parameters={
        "maximum_hours": MAXIMUM_HOURS,
        "schedules": Parameter(
            "string",
            "backup.json:schedules",
            "Where they stand: file:key of {job: schedule of cron}, in JSON or YAML.",
        ),
        "jobs": Parameter(
            "strings",
            ("full differential", "logical", "redis"),
            "Jobs by name, with * for any text; those in one text, parted by spaces, count "
            "together.",
        ),
    },
    check=check,
)
