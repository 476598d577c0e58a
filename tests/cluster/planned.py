"""Planned work under load: what is done while an application writes, and what it saw."""

import select
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.errors import Diagnostic

from cli.drill.faults import Fault, Scene
from cli.drill.postgres_store import Connect, is_leaving
from cli.drill.result import RunResult
from cli.drill.run import Event, Timing, run_once
from cli.drill.service import Service
from cli.drill.stop import StopRequest

CLIENTS = 4


class Pooled:
    """A connection as an application's pool hands it out: checked before it is used, and replaced
    if the other end has closed it since. A statement that a router refused because it is about to
    stop was not begun, and is sent again on another connection. See Connection.

    Nothing comes in on a connection that waits for nothing, except that it is over.
    """

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._handlers: list[Callable[[Diagnostic], None]] = []
        self._connection = connect()

    def _replace(self) -> None:
        self._connection.close()
        self._connection = self._connect()
        for each in self._handlers:
            self._connection.add_notice_handler(each)

    def execute(self, query: Any, params: Any = None, /) -> Any:
        if select.select([self._connection.fileno()], [], [], 0)[0]:
            self._replace()
        try:
            return self._connection.execute(query, params)
        except psycopg.Error as error:
            if not is_leaving(error):
                raise
        self._replace()
        return self._connection.execute(query, params)

    def add_notice_handler(self, callback: Callable[[Diagnostic], None]) -> None:
        self._handlers.append(callback)
        self._connection.add_notice_handler(callback)

    def cancel_safe(self, *, timeout: float = 30.0) -> None:
        self._connection.cancel_safe(timeout=timeout)

    def fileno(self) -> int:
        return self._connection.fileno()

    def close(self) -> None:
        self._connection.close()


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
