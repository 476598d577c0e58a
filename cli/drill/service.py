"""What is drilled: PostgreSQL or Redis, in the terms that a run needs."""

from collections.abc import Callable
from dataclasses import dataclass

from cli.drill.store import Store
from cli.drill.target import Cluster, Status


@dataclass(frozen=True)
class Service:
    """One service of a running stack. `workload`: whose members hold the data.

    `keeps_acknowledged`: it promises that no acknowledged row is ever lost, so that a loss fails
    the drill. `wait`: how many replicas had to confirm each row before it counted as
    acknowledged, where the client asks for that.
    """

    name: str
    cluster: Cluster
    workload: str
    status: Callable[[], Status]
    switchover: Callable[[], str]
    store: Store
    keeps_acknowledged: bool
    wait: int = 0


# The stores are not imported at the top: only one of the two client libraries is needed.


def postgres(cluster: Cluster) -> Service:
    """PostgreSQL, through the first router."""
    from cli.drill import postgres_store

    return Service(
        name="postgres",
        cluster=cluster,
        workload="postgres",
        status=cluster.postgres_status,
        switchover=cluster.switchover,
        store=postgres_store.PostgresStore(postgres_store.connector(cluster.conninfo())),
        keeps_acknowledged=True,
    )


def redis(cluster: Cluster, wait: int) -> Service:
    """Redis, through the first router and as the Sentinels say. `wait`: see Service."""
    from cli.drill import redis_store

    return Service(
        name="redis",
        cluster=cluster,
        workload="redis",
        status=cluster.redis_status,
        switchover=cluster.redis_switchover,
        store=redis_store.RedisStore(redis_store.openers(cluster.redis_access()), wait),
        # Replication is asynchronous: a primary that dies takes what it had not passed on yet.
        keeps_acknowledged=wait > 0,
        wait=wait,
    )
