"""Spec of kubernetes-backups-scheduled."""

from policy_spec import UNKNOWN, Spec, configured, edit, fails, passes, resource, setting, unseen
from policy_stacks import ON_KUBERNETES


def servers(name="db", namespace="shop", claims=({},)):
    return resource(
        "kubernetes:apps/v1:StatefulSet",
        name,
        {
            "metadata": {"namespace": namespace},
            "spec": {"volumeClaimTemplates": list(claims)},
        },
    )


def job(schedule, name="db-backup", namespace="shop", **spec):
    return resource(
        "kubernetes:batch/v1:CronJob",
        name,
        {
            "metadata": {"namespace": namespace, "name": name},
            "spec": {"schedule": schedule, **spec},
        },
    )


DAILY, WEEKLY = "0 1 * * *", "0 1 * * 0"
MISSING = ("db", "CronJob *backup*")

SPEC = Spec(
    passes={
        "every day": passes(servers(), job(DAILY)),
        "in a word": passes(servers(), job("@daily")),
        "every six hours": passes(servers(), job("15 */6 * * *")),
        "one on Sundays, another on all other days": passes(
            servers(), job(WEEKLY, "full-backup"), job("0 1 * * mon-sat", "small-backup")
        ),
    },
    fails={
        "none": fails(servers(), at=MISSING),
        "once for a namespace": fails(servers(), servers("queue"), at=MISSING),
        "on weekdays": fails(servers(), job("0 1 * * 1-5"), at=MISSING),
        "every other day": fails(servers(), job("0 1 */2 * *"), at=MISSING),
        "of another day each week": fails(
            servers(), job(WEEKLY, "full-backup"), job("0 1 * * 1,3,5", "b-backup"), at=MISSING
        ),
        "another job": fails(servers(), job(DAILY, "cleaner"), at=MISSING),
        "of another namespace": fails(servers(), job(DAILY, namespace="web"), at=MISSING),
        "suspended": fails(servers(), job(DAILY, suspend=True), at=MISSING),
        "no schedule": fails(servers(), job("at night"), at=MISSING),
        "a day that there is not": fails(servers(), job("0 0 31 2 *"), at=MISSING),
    },
    unknown={
        "when": unseen(servers(), job(UNKNOWN), at=("db", "spec.schedule")),
        "what is kept": unseen(
            servers(claims=()),
            resource(
                "kubernetes:apps/v1:StatefulSet",
                "queue",
                {"metadata": {"namespace": "web"}, "spec": {"volumeClaimTemplates": UNKNOWN}},
            ),
            at=("queue", "spec.volumeClaimTemplates"),
        ),
    },
    overridden={
        "by other names": configured(
            {"jobs": ["dump", "copy*"]},
            fails(servers(), job(DAILY, "dump"), at=("db", "CronJob copy*")),
        ),
        "once a week": configured({"maximum_hours": 168}, passes(servers(), job(WEEKLY))),
        "every hour": configured({"maximum_hours": 1}, fails(servers(), job(DAILY), at=MISSING)),
    },
    not_applicable={
        "no data": passes(servers(claims=())),
        "no servers": passes(resource("kubernetes:apps/v1:Deployment", "db", {})),
    },
    mutations={
        "Redis's is gone": edit(
            "production",
            "components/backup_service.py",
            'self._schedules("full", "differential", "logical", "redis")',
            'self._schedules("full", "differential", "logical")',
        ),
        "all are suspended": edit(
            "staging",
            "platforms/kubernetes_jobs.py",
            '"concurrencyPolicy": "Forbid",',
            '"concurrencyPolicy": "Forbid", "suspend": True,',
        ),
        "not at weekends": setting(
            "production",
            backup={**ON_KUBERNETES["backup"], "schedules": {"differential": "0 1 * * 1-5"}},
        ),
    },
)
