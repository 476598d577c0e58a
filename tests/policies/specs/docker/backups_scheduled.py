"""Spec of docker-backups-scheduled."""

import json

from policy_spec import UNKNOWN, Spec, configured, edit, fails, passes, resource, setting, unseen

WHERE = "uploads[0] (backup.json) schedules:"
DAILY = {
    "full": "0 1 * * 0",
    "differential": "0 1 * * 1-6",
    "logical": "0 2 * * *",
    "redis": "30 2 * * *",
}
DB = resource(
    "docker:index/container:Container",
    "db",
    {"volumes": [{"volumeName": "data", "containerPath": "/var/lib/db"}]},
)


def told(content, file="backup.json"):
    return resource(
        "docker:index/container:Container",
        "files",
        {"uploads": [{"file": f"/staging/{file}", "content": content}]},
    )


def schedules(**changed):
    kept = {key: each for key, each in {**DAILY, **changed}.items() if each is not None}
    return told(json.dumps({"schedules": kept}))


SPEC = Spec(
    passes={
        "every day": passes(DB, schedules()),
        "every hour": passes(DB, schedules(redis="@hourly")),
    },
    fails={
        "no file": fails(DB, at=("db", "file backup.json")),
        "a file of others": fails(DB, told("{}", "other.json"), at=("db", "file backup.json")),
        "never": fails(DB, schedules(logical=None), at=("files", f"{WHERE} logical")),
        "once a week": fails(DB, schedules(logical="0 2 * * 6"), at=("files", f"{WHERE} logical")),
        "not on Saturdays": fails(
            DB,
            schedules(differential="0 1 * * 1-5"),
            at=("files", f"{WHERE} full differential"),
        ),
        "nothing": fails(
            DB,
            told("{}"),
            at=tuple(
                ("files", f"{WHERE} {each}") for each in ("full differential", "logical", "redis")
            ),
        ),
    },
    unknown={
        "the file": unseen(DB, told(UNKNOWN), at=("files", "uploads[0] (backup.json)")),
    },
    overridden={
        "once a week": configured(
            {"maximum_hours": 168}, passes(DB, schedules(logical="0 2 * * 6"))
        ),
        "other jobs": configured(
            {"jobs": ["nightly"]}, fails(DB, schedules(), at=("files", f"{WHERE} nightly"))
        ),
        "where another program has them": configured(
            {"schedules": "dumps.yml:jobs.times", "jobs": ["*"]},
            passes(DB, told("jobs:\n  times:\n    dump: 0 3 * * *\n", "dumps.yml")),
        ),
    },
    not_applicable={
        "no data": passes(resource("docker:index/container:Container", "db", {})),
        "no container": passes(resource("docker:index/network:Network", "db", {})),
    },
    mutations={
        "dumps once a week": setting("local", backup={"schedules": {"logical": "0 2 * * 6"}}),
        "the program is told of none": edit(
            "local", "components/backup_service.py", '"schedules": schedules,', '"schedules": {},'
        ),
    },
)
