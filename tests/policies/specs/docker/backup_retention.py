"""Spec of docker-backup-retention."""

import json

from policy_spec import UNKNOWN, Spec, configured, edit, fails, passes, resource, setting, unseen

WHERE = "uploads[0] (backup.json) retention_days"


def told(content, file="backup.json"):
    return resource(
        "docker:index/container:Container",
        "files",
        {"uploads": [{"file": f"/staging/{file}", "content": content}]},
    )


def backup(days):
    return told(json.dumps({"retention_days": days}))


SPEC = Spec(
    passes={
        "a month": passes(backup(30)),
        "objects locked for longer": passes(told('{"lock_days": 38}', "vault.json")),
    },
    fails={
        "a week": fails(backup(7), at=("files", WHERE)),
        "nothing": fails(told("{}"), at=("files", WHERE)),
        "locks that end before": fails(
            told('{"lock_days": 8}', "vault.json"),
            at=("files", "uploads[0] (vault.json) lock_days"),
        ),
    },
    unknown={"the file": unseen(told(UNKNOWN), at=("files", "uploads[0] (backup.json)"))},
    overridden={
        "a year": configured({"minimum_days": 365}, fails(backup(30), at=("files", WHERE))),
        "where another program has it": configured(
            {"values": ["dumps.yml:keep"]},
            fails(told("keep: 3\n", "dumps.yml"), at=("files", "uploads[0] (dumps.yml) keep")),
        ),
    },
    not_applicable={
        "another file": passes(told('{"retention_days": 1}', "app.json")),
        "no container": passes(resource("docker:index/network:Network", "files", {})),
    },
    mutations={
        "a day": setting("local", backup={"retention_days": 1}),
        "locks that end before": edit(
            "local",
            "components/backup_vault.py",
            '"lock_days": self.settings.lock_days,',
            '"lock_days": 1,',
        ),
    },
)
