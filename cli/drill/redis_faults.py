"""The kinds of fault for Redis: what each one breaks, for how long, how that is undone."""

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


def _partition(scene: Scene) -> None:
    primary = scene.primary()
    # Only who is cut off with it can tell how long it goes on accepting.
    scene.inside(scene.cluster.write_inside(primary, scene.hold_seconds))
    cut_off(scene, primary)


def _sentinel_loss(scene: Scene) -> None:
    scene.kill(scene.cluster.members("sentinel")[0])


def _quorum_loss(scene: Scene) -> None:
    primary = scene.primary()
    # First in, last out: it asks the Sentinels what it is when it starts.
    scene.undo.callback(scene.cluster.start, primary)
    sentinels = scene.cluster.members("sentinel")
    for sentinel in sentinels[: len(sentinels) // 2 + 1]:
        scene.kill(sentinel)
    scene.breaking(f"kill {primary}")
    scene.cluster.kill(primary)


FAULTS = by_kind(
    Fault("switchover", "a planned change of primary", switchover),
    Fault("process-kill", "SIGKILL to the primary's redis-server", kill_process("redis-server")),
    Fault(
        "node-kill",
        "SIGKILL to the primary's container, started again once writing goes on",
        kill_node,
        Heal.ONCE_WRITING,
        hold_seconds=60.0,
    ),
    Fault(
        "freeze",
        "the primary's container stands still for 8 s and then goes on",
        freeze,
        Heal.AFTER_HOLD,
        hold_seconds=8.0,
    ),
    Fault(
        "partition",
        "the primary is cut from every network for 8 s; a client cut off with it writes on",
        _partition,
        Heal.AFTER_HOLD,
        hold_seconds=8.0,
    ),
    Fault(
        "sentinel-loss",
        "one Sentinel is gone for 6 s: writing goes on, the primary stays",
        _sentinel_loss,
        Heal.AFTER_HOLD,
        hold_seconds=6.0,
        must_keep_primary=True,
    ),
    Fault(
        "quorum-loss",
        "most Sentinels die, then the primary, for 8 s: nobody takes over meanwhile",
        _quorum_loss,
        Heal.AFTER_HOLD,
        hold_seconds=8.0,
        must_keep_primary=True,
    ),
)
"""From the gentlest to the roughest."""
