"""Spec of kubernetes-backup-retention."""

import json

from policy_spec import UNKNOWN, Spec, configured, edit, fails, passes, resource, unseen

WHERE = "data.backup.json retention_days"


def files(**data):
    return resource("kubernetes:core/v1:ConfigMap", "files", {"data": data})


def backup(days):
    return files(**{"backup.json": json.dumps({"retention_days": days})})


SPEC = Spec(
    passes={
        "a month": passes(backup(30)),
        "more": passes(backup(365)),
        "objects locked for longer": passes(files(**{"vault.json": '{"lock_days": 38}'})),
    },
    fails={
        "a week": fails(backup(7), at=("files", WHERE)),
        "nothing": fails(files(**{"backup.json": "{}"}), at=("files", WHERE)),
        "what is no number": fails(backup("30"), at=("files", WHERE)),
        "locks that end before": fails(
            files(**{"vault.json": '{"lock_days": 8}'}), at=("files", "data.vault.json lock_days")
        ),
    },
    unknown={
        "the file": unseen(files(**{"backup.json": UNKNOWN}), at=("files", "data.backup.json"))
    },
    overridden={
        "a year": configured({"minimum_days": 365}, fails(backup(30), at=("files", WHERE))),
        "where another program has it": configured(
            {"values": ["dumps.yml:keep.days"]},
            fails(
                files(**{"dumps.yml": "keep:\n  days: 3\n"}),
                at=("files", "data.dumps.yml keep.days"),
            ),
        ),
        "where less is at stake": configured({"minimum_days": 7}, passes(backup(7)), "staging"),
    },
    not_applicable={
        "another file": passes(files(**{"app.json": '{"retention_days": 1}'})),
        "no file": passes(resource("kubernetes:core/v1:Service", "files", {})),
    },
    mutations={
        "a week": edit(
            "production",
            "components/backup_service.py",
            '"retention_days": settings.retention_days,',
            '"retention_days": 7,',
        )
    },
)
