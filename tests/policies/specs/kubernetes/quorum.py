"""Spec of kubernetes-quorum."""

from policy_spec import UNKNOWN, Spec, configured, edit, fails, passes, resource, unseen

WHERE = "spec.replicas"


def servers(count, name="postgres", resource_name="db"):
    return resource(
        "kubernetes:apps/v1:StatefulSet",
        resource_name,
        {"metadata": {"name": name}, "spec": {"replicas": count}},
    )


SPEC = Spec(
    passes={
        "three": passes(servers(3)),
        "five": passes(servers(5, "etcd")),
        "four that do not vote": passes(servers(4, "redis")),
    },
    fails={
        "two": fails(servers(2), at=("db", WHERE)),
        "one, as nothing is said": fails(servers(None), at=("db", WHERE)),
        "four that vote": fails(servers(4, "sentinel"), at=("db", WHERE)),
        "two that do not": fails(servers(2, "redis"), at=("db", WHERE)),
        "by Pulumi's name": fails(servers(2, None, "etcd"), at=("etcd", WHERE)),
    },
    unknown={
        "how many": unseen(servers(UNKNOWN), at=("db", WHERE)),
        "of whom": unseen(servers(2, UNKNOWN), at=("db", "metadata.name")),
    },
    overridden={
        "others that vote": configured(
            {"voters": ["consul"]}, fails(servers(4, "consul"), at=("db", WHERE))
        ),
        "others that do not": configured(
            {"members": ["kafka"]}, fails(servers(2, "kafka"), at=("db", WHERE))
        ),
    },
    not_applicable={
        "others": passes(servers(2, "router")),
        "no servers": passes(resource("kubernetes:core/v1:Pod", "postgres", {})),
    },
    mutations={
        "two of PostgreSQL": edit(
            "staging",
            "components/postgres_ha.py",
            "            self._settings.members,\n",
            "            2,\n",
        ),
        "four Sentinels": edit(
            "production", "components/redis_sentinel.py", "self._settings.sentinels,", "4,"
        ),
        "two of Redis": edit(
            "production",
            "components/redis_sentinel.py",
            '"redis", 5, self._settings.members,',
            '"redis", 5, 2,',
        ),
    },
)
