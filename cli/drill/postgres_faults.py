"""The kinds of fault for PostgreSQL: what each one breaks, for how long, how that is undone."""

from cli.drill.faults import (
    Fault,
    Heal,
    Scene,
    by_kind,
    cut_off,
    freeze,
    kill_node,
    kill_process,
    switchover,
)

BETWEEN_FAILURES_SECONDS = 3.0
"""double: time for the cluster to note the first loss, and too little to replace anything."""


def _node_restart(scene: Scene) -> None:
    primary = scene.primary()
    scene.undo.callback(scene.cluster.start, primary)
    scene.breaking(f"restart {primary}")
    scene.cluster.restart(primary)


def _partition(scene: Scene) -> None:
    cut_off(scene, scene.primary())


def _standby_loss(scene: Scene) -> None:
    for standby in scene.standbys():
        scene.kill(standby)


def _consensus_loss(scene: Scene) -> None:
    members = scene.cluster.members("etcd")
    for member in members:
        scene.kill(member)
    if not members:
        scene.undo.callback(scene.cluster.mend_consensus)
        scene.breaking("cut the members off their consensus store")
        scene.cluster.cut_consensus()


def _double(scene: Scene) -> None:
    # Both are chosen first: the second must be the primary that the first one stood by.
    primary, standby = scene.primary(), scene.standbys()[0]
    scene.kill(standby)
    scene.stop.sleep(BETWEEN_FAILURES_SECONDS)
    scene.kill(primary)


FAULTS = by_kind(
    Fault("switchover", "a planned change of primary", switchover),
    Fault("process-kill", "SIGKILL to the primary's postmaster", kill_process("postgres")),
    Fault(
        "node-kill",
        "SIGKILL to the primary's container, started again once writing goes on",
        kill_node,
        Heal.ONCE_WRITING,
        hold_seconds=60.0,
    ),
    Fault("node-restart", "an orderly restart of the primary's container", _node_restart),
    Fault(
        "freeze",
        "the primary's container stands still for 30 s and then goes on",
        freeze,
        Heal.AFTER_HOLD,
        hold_seconds=30.0,
    ),
    Fault(
        "partition",
        "the primary is cut from every network for 30 s and then rejoins",
        _partition,
        Heal.AFTER_HOLD,
        hold_seconds=30.0,
    ),
    Fault(
        "standby-loss",
        "all standbys are gone for 10 s: commits wait, none is acknowledged unreplicated",
        _standby_loss,
        Heal.AFTER_HOLD,
        hold_seconds=10.0,
        must_block_commits=True,
    ),
    Fault(
        "consensus-loss",
        "what the members agree in is out of reach for 30 s: writing goes on",
        _consensus_loss,
        Heal.AFTER_HOLD,
        hold_seconds=30.0,
    ),
    Fault(
        "double",
        "a standby dies, then the primary; both are started 5 s later",
        _double,
        Heal.AFTER_HOLD,
        hold_seconds=5.0,
    ),
)
"""From the gentlest to the roughest."""
