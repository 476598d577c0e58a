"""Planned work under load: what is done while an application writes, and what it saw."""

from collections.abc import Callable

from cli.drill.faults import Fault, Scene
from cli.drill.result import RunResult
from cli.drill.run import Event, Timing, run_once
from cli.drill.service import Service
from cli.drill.stop import StopRequest

CLIENTS = 4


def while_writing(service: Service, kind: str, work: Callable[[], None]) -> RunResult:
    """Runs `work` while clients write through the router; every row is read back afterwards."""

    def inject(scene: Scene) -> None:
        scene.breaking(kind)
        work()

    def say(event: Event) -> None:
        print(f"{event.kind}: {event.phase} {event.detail}, {event.acknowledged} acknowledged")

    return run_once(
        service,
        Fault(kind, kind, inject),
        1,
        clients=CLIENTS,
        stop=StopRequest(),
        notify=say,
        timing=Timing(),
    )
