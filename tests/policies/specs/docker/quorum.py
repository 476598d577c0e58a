"""Spec of docker-quorum."""

from policy_spec import UNKNOWN, Spec, configured, edit, fails, passes, resource, unseen

WHERE = "the number of its workload's members"
NAMES = ("io.selfmonitor.workload", "io.selfmonitor.member")


def container(workload, member, name, names=NAMES):
    labels = [
        {"label": label, "value": value}
        for label, value in zip(names, (workload, member), strict=True)
    ]
    return resource("docker:index/container:Container", name, {"labels": labels})


def members(workload, count, names=NAMES):
    return [container(workload, f"{workload}-{n}", f"{n}", names) for n in range(count)]


SPEC = Spec(
    passes={
        "three": passes(*members("postgres", 3)),
        "four that do not vote": passes(*members("redis", 4)),
    },
    fails={
        "two": fails(*members("postgres", 2), at=("0", WHERE)),
        "four that vote": fails(*members("sentinel", 4), at=("0", WHERE)),
        "two that do not": fails(*members("redis", 2), at=("0", WHERE)),
        "two, and what brings files to one": fails(
            *members("etcd", 2),
            container("etcd", "etcd-1", "files"),
            at=("0", WHERE),
        ),
    },
    unknown={
        "of whom": unseen(container(UNKNOWN, "x", "etcd-1"), at=("etcd-1", "labels[0].value"))
    },
    overridden={
        "others that vote": configured(
            {"voters": ["consul"]}, fails(*members("consul", 4), at=("0", WHERE))
        ),
        "others that do not": configured(
            {"members": ["kafka"]}, fails(*members("kafka", 2), at=("0", WHERE))
        ),
        "by other labels": configured(
            {"workload_label": "app", "member_label": "pod"},
            fails(*members("etcd", 2, ("app", "pod")), at=("0", WHERE)),
        ),
    },
    not_applicable={
        "others": passes(*members("router", 2)),
        "no containers": passes(resource("docker:index/network:Network", "etcd", {})),
    },
    mutations={
        "two of PostgreSQL": edit(
            "local",
            "components/postgres_ha.py",
            "            self._settings.members,\n",
            "            2,\n",
        ),
        "four of etcd": edit(
            "local", "components/consensus.py", "settings.consensus_members,", "4,"
        ),
        "two of Redis": edit(
            "local",
            "components/redis_sentinel.py",
            '"redis", 5, self._settings.members,',
            '"redis", 5, 2,',
        ),
    },
)
