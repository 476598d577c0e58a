"""What a person sees while something runs."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console as RichConsole
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

# Where lines cannot be rewritten, a long step says this often that it is still at work.
HEARTBEAT_SECONDS = 15


def is_plain() -> bool:
    """Plain lines: the output is no terminal, or the person asked for no colour."""
    return not sys.stderr.isatty() or bool(os.environ.get("NO_COLOR"))


class Step:
    """One thing under way. `update` says what it is doing just now."""

    def __init__(self, steps: "Steps", title: str, task: TaskID | None) -> None:
        self._steps = steps
        self.title = title
        self.task = task
        self.begun = time.monotonic()
        self.last_said = self.begun
        self.note = ""

    def update(self, text: str) -> None:
        """Shows text beside the title."""
        self._steps.show_progress(self, text)

    def remark(self, text: str) -> None:
        """What the finished line says besides the title."""
        self.note = text


class Steps:
    """Prints steps with their times: live on a terminal, plain lines elsewhere. To stderr, so
    that standard output holds nothing but what was asked for.
    """

    def __init__(self) -> None:
        self._plain = is_plain()
        self._console = RichConsole(stderr=True, highlight=False, no_color=self._plain)
        self._lock = threading.Lock()
        self._progress: Progress | None = None
        self._open = 0

    def line(self, text: str) -> None:
        """One line of its own."""
        with self._lock:
            if self._plain:
                print(text, file=sys.stderr, flush=True)
            else:
                self._console.print(escape(text))

    def begin(self, title: str) -> Step:
        """Starts a step; end it with `finish`. For steps in one block use `step`."""
        with self._lock:
            task = None
            if not self._plain:
                if self._progress is None:
                    self._progress = Progress(
                        SpinnerColumn(),
                        TextColumn("{task.description}"),
                        TimeElapsedColumn(),
                        console=self._console,
                        transient=True,
                    )
                    self._progress.start()
                task = self._progress.add_task(escape(title))
            self._open += 1
            return Step(self, title, task)

    def finish(self, step: Step, mark: str = "✓") -> None:
        """Ends a step with a permanent line."""
        seconds = time.monotonic() - step.begun
        note = f"  {step.note}" if step.note else ""
        with self._lock:
            text = f"{mark} {step.title}{note}  {seconds:.1f} s"
            if self._plain:
                print(text, file=sys.stderr, flush=True)
            else:
                colour = {"✓": "green", "✗": "red"}.get(mark, "yellow")
                self._console.print(f"[{colour}]{mark}[/] {escape(text[len(mark) + 1 :])}")
            self._end(step)

    def discard(self, step: Step) -> None:
        """Ends a step without a line."""
        with self._lock:
            self._end(step)

    def _end(self, step: Step) -> None:
        if self._progress is not None and step.task is not None:
            self._progress.remove_task(step.task)
        self._open -= 1
        if self._open == 0 and self._progress is not None:
            self._progress.stop()
            self._progress = None

    def show_progress(self, step: Step, text: str) -> None:
        """See Step.update."""
        text = text.strip()[:100]
        with self._lock:
            if self._progress is not None and step.task is not None:
                self._progress.update(
                    step.task, description=f"{escape(step.title)}  [dim]{escape(text)}[/]"
                )
            elif time.monotonic() - step.last_said > HEARTBEAT_SECONDS:
                step.last_said = time.monotonic()
                elapsed = step.last_said - step.begun
                print(f"  {step.title}: {text} ({elapsed:.0f} s)", file=sys.stderr, flush=True)

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """A step around a block; a failure is shown as one."""
        step = self.begin(title)
        try:
            yield step
        except BaseException:
            self.finish(step, "✗")
            raise
        self.finish(step)
