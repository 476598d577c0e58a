"""Runs pgBackRest: follows its progress, bounds its time, and says in one line what went wrong."""

import collections
import contextlib
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from backup_service.errors import one_line
from backup_service.progress import Progress

# A backup or a restore of whatever size; the scheduler's own bound is a day.
LONG_SECONDS = 23 * 3600.0
# Whatever only reads or writes a few objects. pgBackRest repeats what failed for a while itself.
SHORT_SECONDS = 300.0
# What it gets to remove what it had begun, once it is asked to stop.
STOP_SECONDS = 15.0

# These log what they do on standard output; the others print what they were asked for.
LOGGING = frozenset(
    {"backup", "check", "expire", "restore", "stanza-create", "stanza-upgrade", "verify"}
)
# Of a log, without the lines of single files.
MOST_LINES = 5000

# P01 DETAIL: backup file postgres-1:/var/… (bundle 2/20752, 16KB, 45.31%) checksum …
FILE = re.compile(
    r"P\d+ DETAIL: (?P<what>backup|restore) file .* "
    r"\((?:.*, )?(?P<size>[\d.]+)(?P<unit>[KMGTP]?B), (?P<percent>[\d.]+)%\)"
)
LABEL = re.compile(r"INFO: new backup label = (\S+)")
MESSAGE = re.compile(r"^(?:[-\d]+ [:.\d]+ P\d+ +)?(?P<level>ERROR|WARN|INFO|DETAIL): ?(?P<text>.*)")
CODE = re.compile(r"^\[(?P<code>\d+)\]: ?(?P<text>.*)")
UNITS = {unit: 1024**power for power, unit in enumerate(("B", "KB", "MB", "GB", "TB", "PB"))}
# Of a warning: why it could not do what the error then only says it could not.
CAUSE_LENGTH = 250


class PgBackRestError(Exception):
    """One line: which command, what it said, and its hint. code: pgBackRest's own, where known."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


def run(
    command: str,
    *options: str,
    progress: Progress | None = None,
    total: int | None = None,
    environment: Mapping[str, str] | None = None,
    stanza: str | None = "main",
    seconds: float | None = None,
) -> str:
    """Runs a command to its end and returns its standard output, without the lines of files.

    total: bytes to be read or written, where known; else estimated from the percentages.
    environment: besides this process's own. stanza: None for a command that takes none.
    seconds: after which it is stopped; else by command. Raises PgBackRestError.
    """
    logs = command in LOGGING
    line = [
        *("pgbackrest", command),
        *([f"--stanza={stanza}"] if stanza else []),
        f"--log-level-console={'detail' if logs else 'off'}",
        "--log-level-stderr=warn",
        *options,
    ]
    if seconds is None:
        seconds = LONG_SECONDS if command in ("backup", "restore") else SHORT_SECONDS
    try:
        process = subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, **(environment or {})},
        )
    except OSError as error:
        raise PgBackRestError(f"pgbackrest cannot be run: {error.strerror}") from None
    follower = _Follower(progress, total)
    with _bounded(process, seconds) as over, _collecting(process) as complaints:
        assert process.stdout is not None
        printed: collections.deque[str] = collections.deque(maxlen=MOST_LINES if logs else None)
        for text in process.stdout:
            if not follower.takes(text):
                printed.append(text)
        process.wait()
    if over.is_set():
        raise PgBackRestError(
            f"pgbackrest {command} took longer than {seconds:.0f} s and was stopped"
        )
    if process.returncode:
        raise _error(command, process.returncode, complaints, printed)
    # What it warned of is part of what it said.
    return "".join(printed) + ("".join(complaints) if logs else "")


def info(
    stanza: str = "main", *options: str, seconds: float = SHORT_SECONDS
) -> list[dict[str, Any]]:
    """`pgbackrest info`, parsed; one entry a stanza, also when the repository cannot be read.

    Raises PgBackRestError. Whoever needs to know that it was read uses `repository`.
    """
    text = run("info", "--output=json", *options, stanza=stanza, seconds=seconds)
    try:
        # It quotes what it could not decrypt, control characters and all.
        found = json.loads(text, strict=False)
    except ValueError:
        raise PgBackRestError(f"pgbackrest info said what is no JSON: {one_line(text)}") from None
    if not isinstance(found, list):
        raise PgBackRestError(f"pgbackrest info said what is no list: {one_line(text)}")
    return found


# Status codes of `info` that are no trouble: all is well, nothing is there yet, no backup is.
READABLE = (0, 1, 2, 3)


def repository(stanza: str = "main") -> dict[str, Any]:
    """The stanza's entry of `info`: {"archive": […], "backup": […], "db": […], …}, each of which
    is empty where nothing is there yet.

    Raises PgBackRestError when the repository cannot be read: away, or the wrong key. `info` itself
    calls that a success.
    """
    for entry in info(stanza):
        if entry.get("name") != stanza:
            continue
        for status in [*(each["status"] for each in entry.get("repo", [])), entry["status"]]:
            if status["code"] not in READABLE:
                text = one_line(status["message"], CAUSE_LENGTH)
                raise PgBackRestError(f"pgbackrest info: the repository cannot be read: {text}")
        return entry
    return {"name": stanza, "archive": [], "backup": [], "db": []}


def new_label(printed: str) -> str | None:
    """The label of the backup that was taken, from what `run` returned."""
    found = LABEL.findall(printed)
    return found[-1] if found else None


def warnings(printed: str) -> list[str]:
    """What it warned of, one line each."""
    matches = (MESSAGE.match(line) for line in printed.splitlines())
    return [one_line(each["text"]) for each in matches if each and each["level"] == "WARN"]


class _Follower:
    """Turns lines about single files into bytes done of bytes to do."""

    def __init__(self, progress: Progress | None, total: int | None) -> None:
        self._progress = progress
        self._total = total
        self._bytes = 0
        self._done = 0

    def takes(self, line: str) -> bool:
        """Whether the line was about a single file."""
        if "DETAIL: " not in line:
            return False
        found = FILE.search(line)
        if found is None:
            return True
        self._bytes += round(float(found["size"]) * UNITS[found["unit"]])
        if self._progress is not None:
            share = min(float(found["percent"]) / 100, 1.0)
            self._tell(self._progress, found["what"], share)
        return True

    def _tell(self, progress: Progress, what: str, share: float) -> None:
        if self._total is not None:
            self._done = max(self._done, round(share * self._total))
            progress.report(what, self._done, self._total)
            return
        # The first percent says little about the whole.
        total = round(self._bytes / share) if share >= 0.01 else None
        progress.report(what, self._bytes, total)


@contextlib.contextmanager
def _bounded(process: "subprocess.Popen[str]", seconds: float) -> Iterator[threading.Event]:
    """Stops the process after its time, and when whoever waits for it is stopped itself."""
    over = threading.Event()

    def stop() -> None:
        over.set()
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        process.kill()

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        yield over
    except BaseException:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise
    finally:
        timer.cancel()


@contextlib.contextmanager
def _collecting(process: "subprocess.Popen[str]") -> Iterator["collections.deque[str]"]:
    """What the process complains of while it runs: the newest lines."""
    found: collections.deque[str] = collections.deque(maxlen=MOST_LINES)
    assert process.stderr is not None
    reader = threading.Thread(target=found.extend, args=(process.stderr,), daemon=True)
    reader.start()
    yield found
    # A child that outlives it may hold the pipe; what it then says is not waited for.
    reader.join(STOP_SECONDS)


def _messages(lines: list[str]) -> list[tuple[str, str, list[str]]]:
    """(level, text, hints) of each message; what it goes on with stands on indented lines."""
    found: list[tuple[str, str, list[str]]] = []
    for line in lines:
        match = MESSAGE.match(line)
        if match is not None:
            found.append((match["level"], match["text"].rstrip(), []))
        elif found and line.strip():
            level, text, hints = found[-1]
            more = line.strip()
            if more.startswith("HINT: "):
                hints.append(more.removeprefix("HINT: "))
            elif not hints:
                found[-1] = (level, f"{text} {more}", hints)
    return found


def _error(
    command: str,
    status: int,
    complaints: "collections.deque[str]",
    printed: "collections.deque[str]",
) -> PgBackRestError:
    messages = _messages([*printed, *complaints])
    errors = [each for each in messages if each[0] == "ERROR"]
    if not errors:
        how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
        last = one_line(" ".join([*list(printed)[-1:], *list(complaints)[-1:]]), CAUSE_LENGTH)
        return PgBackRestError(f"pgbackrest {command} {how}" + (f": {last}" if last else ""))
    _, text, hints = errors[0]
    match = CODE.match(text)
    code = int(match["code"]) if match else None
    if match:
        text = match["text"]
    line = f"pgbackrest {command}: {one_line(text)}"
    if code is not None:
        line += f" [{code:03}]"
    # "[FormatError] unable to load …": it goes on after such a warning, and fails for its sake.
    causes = [text for level, text, _ in messages if level == "WARN" and "Error]" in text]
    if causes:
        line += f"; because: {one_line(causes[-1], CAUSE_LENGTH)}"
    if hints:
        line += f" ({one_line('; '.join(hints))})"
    return PgBackRestError(line, code)
