"""How far a long job is, in bytes, and what is left."""

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from cli.console import is_plain
from cli.figures import size, span

# Where lines cannot be rewritten, one is said this often.
LINE_SECONDS = 5


class Bytes:
    """Called with (what, done, total) as often as a job reports; total None: nobody knows.

    A bar on a terminal, plain lines elsewhere, both on stderr.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._plain = is_plain()
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._what = ""
        self._begun = self._said = time.monotonic()
        self._first = 0

    def __enter__(self) -> "Bytes":
        if not self._plain:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                DownloadColumn(binary_units=True),
                TransferSpeedColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True, highlight=False),
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task(escape(self._title), total=None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, what: str, done: int, total: int | None) -> None:
        """The job is so far with this part of it."""
        begins = what != self._what
        if begins:
            self._what, self._begun, self._first = what, time.monotonic(), done
        if self._bar is None or self._task is None:
            self._line(done, total)
            return
        if begins:
            self._bar.remove_task(self._task)
            self._task = self._bar.add_task(f"{escape(self._title)}  [dim]{escape(what)}[/]")
        self._bar.update(self._task, completed=done, total=total)

    def _line(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        if now - self._said < LINE_SECONDS:
            return
        self._said = now
        text = f"  {self._title}: {self._what}: {size(done)}"
        if total:
            text += f" of {size(total)} ({100 * done // total} %)"
            moved, taken = done - self._first, now - self._begun
            if moved > 0 and done < total:
                text += f", about {span((total - done) * taken / moved)} left"
        print(text, file=sys.stderr, flush=True)
