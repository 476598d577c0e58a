"""Spec of kubernetes-synchronous-replication."""

import json

from policy_spec import UNKNOWN, Spec, configured, edit, fails, passes, resource, unseen

DYNAMIC = {
    "ttl": 20,
    "loop_wait": 2,
    "synchronous_mode": "quorum",
    "synchronous_mode_strict": True,
}


def files(**data):
    return resource("kubernetes:core/v1:ConfigMap", "files", {"data": data})


def plan(**changed):
    kept = {k: v for k, v in {**DYNAMIC, **changed}.items() if v is not None}
    return files(**{"provision.json": json.dumps({"dynamic_configuration": kept})})


def patroni(text):
    return files(**{"patroni.yml": text})


def at(where, file="provision.json"):
    return ("files", f"data.{file} {where}")


MODE = "dynamic_configuration.synchronous_mode"

SPEC = Spec(
    passes={
        "a quorum": passes(plan()),
        "as older ones have it": passes(plan(synchronous_mode=True)),
        "a file without it": passes(patroni("scope: shop\n")),
        "in YAML": passes(patroni(f"bootstrap:\n  dcs: {json.dumps(DYNAMIC)}\n")),
        "a mode that waits": passes(
            patroni("postgresql:\n  parameters:\n    synchronous_commit: remote_apply\n")
        ),
    },
    fails={
        "off": fails(plan(synchronous_mode="off"), at=at(MODE)),
        "switched off": fails(plan(synchronous_mode=False), at=at(MODE)),
        "nothing is said": fails(plan(synchronous_mode=None), at=at(MODE)),
        "until nobody is left": fails(plan(synchronous_mode_strict=False), at=at(f"{MODE}_strict")),
        "in YAML": fails(
            patroni(
                "bootstrap:\n  dcs:\n    ttl: 30\n    loop_wait: 10\n    synchronous_mode: off\n"
                "    synchronous_mode_strict: true\n"
            ),
            at=at("bootstrap.dcs.synchronous_mode", "patroni.yml"),
        ),
        "a commit that is the primary's alone": fails(
            patroni("postgresql:\n  parameters:\n    synchronous_commit: local\n"),
            at=at("postgresql.parameters.synchronous_commit", "patroni.yml"),
        ),
        "what nobody can read": fails(patroni("a: [b"), at=("files", "data.patroni.yml")),
    },
    unknown={"the file": unseen(patroni(UNKNOWN), at=("files", "data.patroni.yml"))},
    overridden={
        "by another name": configured(
            {"files": ["cluster.yml"]},
            fails(
                files(**{"cluster.yml": json.dumps({**DYNAMIC, "synchronous_mode": "off"})}),
                at=at("synchronous_mode", "cluster.yml"),
            ),
        )
    },
    not_applicable={
        "another file": passes(files(**{"app.yml": "ttl: 1\nloop_wait: 1\n"})),
        "no file": passes(resource("kubernetes:core/v1:Service", "files", {})),
    },
    mutations={
        "switched off": edit(
            "production",
            "components/postgres_configuration.py",
            '"synchronous_mode": "quorum"',
            '"synchronous_mode": "off"',
        ),
        "until nobody is left": edit(
            "production",
            "components/postgres_configuration.py",
            '"synchronous_mode_strict": True',
            '"synchronous_mode_strict": False',
        ),
        "a commit that is the primary's alone": edit(
            "staging",
            "components/postgres_configuration.py",
            '"shared_preload_libraries": "pg_stat_statements,pgaudit",',
            '"shared_preload_libraries": "pg_stat_statements,pgaudit", '
            '"synchronous_commit": "local",',
        ),
    },
)
