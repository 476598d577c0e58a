"""Where there is data, backups are made every day."""

from policies.contract import (
    Finding,
    Findings,
    Settings,
    Severity,
    StackControl,
    WhenUnknown,
)
from policies.parameters import Parameter
from policies.reading.backups import MAXIMUM_HOURS, together, too_seldom
from policies.reading.kubernetes import (
    CRON_JOBS,
    NAMESPACES,
    STATEFUL_SETS,
    first_of_namespace,
    keeps_data,
    name_of,
    namespace_of,
    part,
)
from policies.resources import Resource, Stack


def check(subject: Resource, stack: Stack, settings: Settings) -> Findings:
    """Of the first that keeps data in a namespace, for all of them. Who is suspended makes none."""
    if not keeps_data(subject) or not first_of_namespace(subject, stack, STATEFUL_SETS, keeps_data):
        return
    namespace = namespace_of(subject, stack)
    schedules = {
        name_of(each): part(each.props, "spec.schedule")
        for each in stack.of(CRON_JOBS)
        if part(each.props, "spec.suspend") is not True and namespace_of(each, stack) == namespace
    }
    for jobs in settings["jobs"]:
        found = too_seldom(together(jobs, schedules), settings["maximum_hours"])
        if found:
            yield Finding(f"CronJob {jobs}", found, subject)


CONTROL = StackControl(
    module=__name__,
    title="Backups are made every day",
    why="what was written since the last one is lost when all replicas are wrong alike",
    mend="Make a CronJob that backs it up, with a schedule that leaves out no day, not suspended.",
    references=("PCI DSS 4.0.1 12.10.1", "GDPR Art. 32(1)(c)", "FCA SYSC 4.1.7"),
    severity=Severity.HIGH,
    types=(*STATEFUL_SETS, *CRON_JOBS, *NAMESPACES),
    subjects=STATEFUL_SETS,
    when_unknown=WhenUnknown.DEFER,
    parameters={
        "maximum_hours": MAXIMUM_HOURS,
        "jobs": Parameter(
            "strings",
            ("*backup*",),
            "Names of CronJobs, with * for any text; those in one text, parted by spaces, count "
            "together.",
        ),
    },
    check=check,
)
