"""selfmonitor events"""

import json
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, suppress
from secrets import token_hex
from typing import Any

import click

from cli.cluster import Cluster, ask_events, open_cluster
from cli.containers import CannotBeAsked, Container, execute, first_running
from cli.errors import OperationFailed
from cli.interrupts import insistent

ANSWER_SECONDS = 10
# A follower ends after this time and is begun anew: one whose command was killed here goes on in
# the container, where nobody ends it.
FOLLOW_SECONDS = 600
# The shell says at last how curl ended. $0 is a name of its own, by which it is found and ended
# from here, however early that has to be.
FOLLOW = (
    'trap \'kill "$child"\' TERM; "$@" & child=$!; '
    'wait "$child"; status=$?; echo; echo "ended $status"'
)
END = (
    'for each in /proc/[0-9]*; do [ "${each#/proc/}" = "$$" ] || '
    '! grep -qs "follower-$0" "$each/cmdline" || kill "${each#/proc/}"; done'
)
# curl's own: the time is over; the server answered with an error; there is no server.
TIME_IS_OVER, REFUSED, NO_SERVER = 28, 22, 7

HEADINGS = ("time (UTC)", "service", "kind", "primary", "reason")
# 2026-11-22 22:10:03.123, failover-aborted, postgres-1 → postgres-2
LAYOUT = "{:<23}  {:<8}  {:<16}  {:<23}  {}"

Event = dict[str, Any]


def find(cluster: Cluster) -> Container:
    """The container that knows. Raises OperationFailed when none runs."""
    container = first_running(cluster, "events")
    if container is None:
        raise OperationFailed(
            f"the events container of stack {cluster.stack} does not run: "
            f"./selfmonitor -s {cluster.stack} up"
        )
    return container


def recorded(container: Container) -> list[Event]:
    """Every event there is, oldest first. Raises OperationFailed."""
    command = ask_events("/events", "--fail", "--show-error", seconds=ANSWER_SECONDS)
    result = execute(container, command, demux=True)
    said, complaint = (part or b"" for part in result.output)
    if result.exit_code:
        raise OperationFailed(
            f"{container.member} does not answer: ./selfmonitor logs {container.member}",
            tuple(complaint.decode(errors="replace").splitlines()),
        )
    return [json.loads(line) for line in said.splitlines() if line]


def lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Whole lines of what arrives in pieces; what follows the last end of a line is left out."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole


def follow(container: Container, after: int) -> Generator[Event, None, None]:
    """Each event as it happens, until the container stops. Raises OperationFailed."""
    while True:
        path = f"/events?follow=1&after={after}"
        command = ask_events(path, "--fail", "--no-buffer", seconds=FOLLOW_SECONDS)
        number = token_hex(8)
        shell = ["/bin/sh", "-c", FOLLOW, f"follower-{number}", *command]
        status = None
        try:
            with insistent():
                stream = execute(container, shell, stream=True, stderr=False)
                for line in lines(stream.output):
                    if line.startswith(b"{"):
                        with suppress(ValueError):
                            event: Event = json.loads(line)
                            after = event["id"]
                            yield event
                    elif line.startswith(b"ended "):
                        status = int(line.split()[1])
        finally:
            # Also when it was interrupted while it began.
            if status is None:
                _end(container, number)
        if status in (REFUSED, NO_SERVER):
            raise OperationFailed(
                f"{container.member} lets nobody follow just now: "
                f"./selfmonitor logs {container.member}"
            )
        if status != TIME_IS_OVER:
            return


def _end(container: Container, number: str) -> None:
    """Ends what was left in the container; it may have stopped, and all with it."""
    with suppress(CannotBeAsked, OSError):
        container.exec_run(["/bin/sh", "-c", END, number])


def row(event: Event) -> str:
    """One line for a person."""
    time = event["time"].replace("T", " ").removesuffix("Z")
    change = " → ".join(name for name in (event["old"], event["new"]) if name)
    reason = event["reason"] + (" (seen late)" if event["seen_late"] else "")
    return LAYOUT.format(time, event["service"], event["kind"], change, reason)


@click.command()
@click.option("-f", "--follow", "go_on", is_flag=True, help="Go on as they happen.")
@click.option("-n", "--lines", "number", default=20, show_default=True, type=click.IntRange(1))
@click.option("--service", type=click.Choice(["postgres", "redis"]), help="Of this one alone.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
@click.pass_context
def events(
    context: click.Context, go_on: bool, number: int, service: str | None, output: str
) -> None:
    """Show who became primary when, and why.

    With --follow JSON is one event a line.
    """

    def wanted(event: Event) -> bool:
        return service in (None, event["service"])

    def show(event: Event) -> None:
        text = json.dumps(event, ensure_ascii=False) if output == "json" else row(event)
        click.echo(text)

    container = find(open_cluster(context))
    found = recorded(container)
    shown = [event for event in found if wanted(event)][-number:]
    if output == "json" and not go_on:
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        return
    if output == "text":
        click.echo(LAYOUT.format(*HEADINGS))
    for event in shown:
        show(event)
    if not go_on:
        return
    with closing(follow(container, found[-1]["id"] if found else 0)) as following:
        for event in filter(wanted, following):
            show(event)
    click.echo(f"selfmonitor: {container.member} has stopped", err=True)
