"""The kinds of fault: what each one breaks, for how long, and how that is undone."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from enum import Enum

from cli.drill.stop import StopRequest
from cli.drill.target import Cluster

BETWEEN_FAILURES_SECONDS = 3.0
"""double: time for the cluster to note the first loss, and too little to replace anything."""


class CannotInject(Exception):
    """The cluster is not in a state in which this fault can be made."""


@dataclass(frozen=True)
class Scene:
    """What a fault may use.

    `breaking` notes the moment just before something is broken, in a few words. `undo` runs
    at healing, last entry first; what undoes a step goes in before the step is taken, since
    the step may be half done when it fails.
    """

    cluster: Cluster
    stop: StopRequest
    breaking: Callable[[str], None]
    undo: ExitStack

    def primary(self) -> str:
        """The primary's name. Raises CannotInject."""
        leader = self.cluster.postgres_status().leader
        if leader is None:
            raise CannotInject("there is no primary")
        return leader

    def standbys(self) -> list[str]:
        """The names of all PostgreSQL members but the primary. Raises CannotInject."""
        primary = self.primary()
        standbys = [name for name in self.cluster.members("postgres") if name != primary]
        if not standbys:
            raise CannotInject("there is no standby")
        return standbys

    def kill(self, member: str) -> None:
        """Kills a member's container, to be started at healing."""
        self.undo.callback(self.cluster.start, member)
        self.breaking(f"kill {member}")
        self.cluster.kill(member)


class Heal(Enum):
    """When a fault is undone."""

    BY_ITSELF = "the cluster has to cope; there is nothing to undo"
    AFTER_HOLD = "a set time after it was injected"
    ONCE_WRITING = "once commits are acknowledged again"


@dataclass(frozen=True)
class Fault:
    """A kind of fault. `hold_seconds`: how long it lasts (AFTER_HOLD), or at most (ONCE_WRITING).

    `must_block_commits`: no standby is left while it lasts, so a commit that is both sent and
    acknowledged in that time is one that was not replicated.
    """

    kind: str
    summary: str
    inject: Callable[[Scene], None]
    heal: Heal = Heal.BY_ITSELF
    hold_seconds: float = 0.0
    must_block_commits: bool = False

    def held_for(self, seconds: float) -> "Fault":
        """The same fault for a set time; unchanged where there is nothing to undo."""
        if self.heal is Heal.BY_ITSELF:
            return self
        return replace(self, heal=Heal.AFTER_HOLD, hold_seconds=seconds)


def _switchover(scene: Scene) -> None:
    scene.breaking("switchover")
    scene.cluster.switchover()


def _process_kill(scene: Scene) -> None:
    primary = scene.primary()
    scene.breaking(f"kill postgres on {primary}")
    scene.cluster.kill_process(primary)


def _node_kill(scene: Scene) -> None:
    scene.kill(scene.primary())


def _node_restart(scene: Scene) -> None:
    primary = scene.primary()
    scene.undo.callback(scene.cluster.start, primary)
    scene.breaking(f"restart {primary}")
    scene.cluster.restart(primary)


def _freeze(scene: Scene) -> None:
    primary = scene.primary()
    scene.undo.callback(scene.cluster.unpause, primary)
    scene.breaking(f"pause {primary}")
    scene.cluster.pause(primary)


def _partition(scene: Scene) -> None:
    primary = scene.primary()
    scene.undo.callback(scene.cluster.reconnect, primary)
    scene.breaking(f"disconnect {primary}")
    scene.cluster.disconnect(primary)


def _standby_loss(scene: Scene) -> None:
    for standby in scene.standbys():
        scene.kill(standby)


def _consensus_loss(scene: Scene) -> None:
    for member in scene.cluster.members("etcd"):
        scene.kill(member)


def _double(scene: Scene) -> None:
    # Both are chosen first: the second must be the primary that the first one stood by.
    primary, standby = scene.primary(), scene.standbys()[0]
    scene.kill(standby)
    scene.stop.sleep(BETWEEN_FAILURES_SECONDS)
    scene.kill(primary)


FAULTS: dict[str, Fault] = {
    fault.kind: fault
    for fault in (
        Fault("switchover", "a planned change of primary", _switchover),
        Fault("process-kill", "SIGKILL to the primary's postmaster", _process_kill),
        Fault(
            "node-kill",
            "SIGKILL to the primary's container, started again once writing goes on",
            _node_kill,
            Heal.ONCE_WRITING,
            hold_seconds=60.0,
        ),
        Fault("node-restart", "an orderly restart of the primary's container", _node_restart),
        Fault(
            "freeze",
            "the primary's container stands still for 30 s and then goes on",
            _freeze,
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
            "all of etcd is gone for 30 s: writing goes on",
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
}
"""Every kind by its name, in the order from the gentlest to the roughest."""
