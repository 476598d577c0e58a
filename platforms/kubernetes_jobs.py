"""What runs to its end on Kubernetes: once (Job), or at times (CronJob)."""

from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from platforms.kubernetes_files import content_hash
from platforms.kubernetes_names import Place
from platforms.workload import Scheduled, Workload

Manifest = dict[str, Any]

# Every program that runs once may be run again; three times more, 10 s to 40 s apart, is enough
# for what was not there for a moment.
RETRIES = 3
# What was missed while the cluster was down is made up for within a week, once.
MISSED_SECONDS = 7 * 24 * 3600
KEPT_RUNS = 3
# The API server's own limit for the name of a CronJob.
LONGEST_CRON_JOB_NAME = 52
JOB_SECONDS = 600


def job(
    workload: Workload, pod: Manifest, place: Place, opts: pulumi.ResourceOptions
) -> pulumi.Resource:
    """Registers a job; it is created once it has succeeded.

    It is named after its content: a job cannot be changed, and one with other input is another.
    """
    seconds = workload.patience_seconds or JOB_SECONDS
    spec: Manifest = {"backoffLimit": RETRIES, "template": pod}
    name = f"{workload.members[0]}-{content_hash(spec)}"
    made: pulumi.Resource = k8s.batch.v1.Job(
        workload.name,
        metadata=place.metadata(name, workload.name),
        spec=spec,
        opts=pulumi.ResourceOptions.merge(
            opts,
            pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create=f"{seconds}s")),
        ),
    )
    return made


def cron_job(
    workload: Workload,
    scheduled: Scheduled,
    pod: Manifest,
    place: Place,
    opts: pulumi.ResourceOptions,
) -> pulumi.Resource:
    """Registers what runs at times, never twice at once. Raises ValueError for too long a name."""
    name = f"{workload.name}-{scheduled.name}"
    if len(name) > LONGEST_CRON_JOB_NAME:
        raise ValueError(f"{name}: a CronJob's name has at most {LONGEST_CRON_JOB_NAME} letters")
    made: pulumi.Resource = k8s.batch.v1.CronJob(
        name,
        metadata=place.metadata(name, workload.name),
        spec={
            "schedule": scheduled.cron,
            "timeZone": "Etc/UTC",
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": MISSED_SECONDS,
            "successfulJobsHistoryLimit": KEPT_RUNS,
            "failedJobsHistoryLimit": KEPT_RUNS,
            "jobTemplate": {
                "metadata": {"labels": place.labels(workload.name)},
                "spec": {
                    "backoffLimit": RETRIES,
                    "activeDeadlineSeconds": scheduled.deadline_seconds,
                    "template": pod,
                },
            },
        },
        opts=opts,
    )
    return made
