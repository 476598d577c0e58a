"""What a kind of fault is, and the ways to break a service that do not depend on which it is."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from enum import Enum

from cli.drill.service import Service
from cli.drill.stop import StopRequest
from cli.drill.target import Cluster, InsideWriter

PRIMARY_LOOKS = 10
PRIMARY_PAUSE_SECONDS = 0.5


class CannotInject(Exception):
    """The cluster is not in a state in which this fault can be made."""


@dataclass(frozen=True)
class Scene:
    """What a fault may use.

    `hold_seconds`: how long it will be held. `breaking` notes the moment just before something
    is broken, in a few words. `undo` runs at healing, last entry first; what undoes a step goes
    in before the step is taken, since the step may be half done when it fails. `inside` takes a
    writer within a member that is about to be cut off: it is asked and closed when all is over.
    """

    service: Service
    stop: StopRequest
    hold_seconds: float
    breaking: Callable[[str], None]
    undo: ExitStack
    inside: Callable[[InsideWriter], None]

    @property
    def cluster(self) -> Cluster:
        return self.service.cluster

    def primary(self) -> str:
        """The primary's name. Raises CannotInject.

        Asked a few times: on a busy machine a healthy cluster may be late with one answer.
        """
        for _ in range(PRIMARY_LOOKS):
            leader = self.service.status().leader
            if leader is not None:
                return leader
            self.stop.sleep(PRIMARY_PAUSE_SECONDS)
        raise CannotInject("there is no primary")

    def standbys(self) -> list[str]:
        """The names of all members but the primary. Raises CannotInject."""
        primary = self.primary()
        standbys = [n for n in self.cluster.members(self.service.workload) if n != primary]
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
    ONCE_WRITING = "once writes are acknowledged again"


@dataclass(frozen=True)
class Fault:
    """A kind of fault. `hold_seconds`: how long it lasts (AFTER_HOLD), or at most (ONCE_WRITING).

    `must_block_commits`: no standby is left while it lasts, so a commit that is both sent and
    acknowledged in that time is one that was not replicated. `must_keep_primary`: nobody may
    decide on another primary while it lasts.
    """

    kind: str
    summary: str
    inject: Callable[[Scene], None]
    heal: Heal = Heal.BY_ITSELF
    hold_seconds: float = 0.0
    must_block_commits: bool = False
    must_keep_primary: bool = False

    def held_for(self, seconds: float) -> "Fault":
        """The same fault for a set time; unchanged where there is nothing to undo."""
        if self.heal is Heal.BY_ITSELF:
            return self
        return replace(self, heal=Heal.AFTER_HOLD, hold_seconds=seconds)


def switchover(scene: Scene) -> None:
    """A planned change of primary."""
    scene.breaking("switchover")
    scene.service.switchover()


def kill_process(process: str) -> Callable[[Scene], None]:
    """Kills the server on the primary; `process`: its name."""

    def inject(scene: Scene) -> None:
        primary = scene.primary()
        scene.breaking(f"kill {process} on {primary}")
        scene.cluster.kill_process(primary)

    return inject


def kill_node(scene: Scene) -> None:
    """Kills the primary's container."""
    scene.kill(scene.primary())


def freeze(scene: Scene) -> None:
    """Stops every process of the primary where it stands."""
    primary = scene.primary()
    scene.undo.callback(scene.cluster.unpause, primary)
    scene.breaking(f"pause {primary}")
    scene.cluster.pause(primary)


def cut_off(scene: Scene, member: str) -> None:
    """Cuts a member from every network."""
    scene.undo.callback(scene.cluster.reconnect, member)
    scene.breaking(f"disconnect {member}")
    scene.cluster.disconnect(member)


def by_kind(*faults: Fault) -> dict[str, Fault]:
    """Every fault by its name, in the order given."""
    return {fault.kind: fault for fault in faults}
