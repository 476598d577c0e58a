"""Shows on a console how a drill is getting on: a live line on a terminal, else plain lines."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from cli.drill.result import RunResult
from cli.drill.run import Event, Phase


class Progress:
    """A context manager whose methods take the events and the results of a campaign."""

    def __init__(self, console: Console, runs: int) -> None:
        self._console = console
        self._runs = runs
        self._status: Status | None = None
        if console.is_interactive and not console.no_color:
            self._status = console.status("starting")
        self._last: tuple[str, int, Phase] | None = None

    def __enter__(self) -> Self:
        if self._status:
            self._status.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if self._status:
            self._status.stop()

    def event(self, event: Event) -> None:
        """Where the run under way stands."""
        line = f"{event.kind} {event.number}/{self._runs}: {event.phase} {event.detail}".rstrip()
        if self._status:
            self._status.update(f"{escape(line)}, {event.acknowledged:,} rows acknowledged")
        elif (step := (event.kind, event.number, event.phase)) != self._last or (
            event.phase is Phase.BREAKING
        ):
            self._last = step
            self.say(line)

    def finished(self, run: RunResult) -> None:
        """A run has ended."""
        self.say(
            f"{run.kind} {run.number}/{self._runs}: outage {run.outage.seconds:.2f} s, "
            f"{run.acked:,} acknowledged, "
            f"{'not read back' if run.lost is None else f'{run.lost} lost'}"
            + (f"; FAILED: {run.failure}" if run.failure else "")
        )

    def say(self, line: str) -> None:
        """A line of its own."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
