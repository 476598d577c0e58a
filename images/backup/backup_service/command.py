"""The command line: backup-service COMMAND. Each command's own module is imported when it runs.

Output: lines to read, or with --json one JSON object a line: {"event": "progress", "what", "done",
"total"}, {"event": "record", …}, {"event": "error", "message"}, or what was asked for.
Exit status: 0 done, 1 it failed, 2 what was asked for cannot be, 3 it is running already.
"""

import argparse
import contextlib
import importlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any

from backup_service import settings as places
from backup_service import times
from backup_service.errors import Terminated, describe
from backup_service.progress import Progress, kept_for
from backup_service.settings import Settings

OK = 0
FAILED = 1

HARMS = ("flip", "missing-wal", "truncate-dump", "ransomware")


class Output:
    """Where a command tells what it does. A reader that went away does not stop it."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json

    def event(self, event: dict[str, Any]) -> None:
        """One event, or with lines of its own where people read."""
        if self._as_json:
            self._line(json.dumps(event))
        else:
            self._line(readable(event))

    def document(self, document: Any) -> None:
        """What was asked for."""
        text = json.dumps(document, indent=None if self._as_json else 2)
        self._line(text)

    def error(self, message: str) -> None:
        """Why it failed, to whoever reads, and to the log."""
        if self._as_json:
            self._line(json.dumps({"event": "error", "message": message}))
        with contextlib.suppress(OSError):
            sys.stderr.write(f"backup-service: {message}\n")
            sys.stderr.flush()

    def _line(self, text: str) -> None:
        try:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
        except OSError:
            # Nobody reads any more. What is half written would be tried again at the very end.
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, sys.stdout.fileno())
            os.close(nothing)


def readable(event: dict[str, Any]) -> str:
    """One line for people."""
    if event.get("event") == "progress":
        of = f" of {event['total']}" if event["total"] is not None else ""
        return f"{event['what']}: {event['done']}{of} bytes"
    if event.get("event") == "record":
        end = event["error"] or event["ended"] or "running"
        size = f"{event['bytes']} bytes, " if event["bytes"] is not None else ""
        return f"{event['started']} {event['kind']}: {event['result'] or 'running'}: {size}{end}"
    return json.dumps(event)


class Call:
    """One call of the program."""

    def __init__(self, arguments: argparse.Namespace, settings: Settings) -> None:
        self.arguments = arguments
        self.settings = settings
        self.data = places.DATA
        self.output = Output(arguments.json)

    def progress(self, what: str) -> Progress:
        """Tells how far it is, and keeps it for `state` under this name."""
        return Progress(self.output.event, kept_for(self.data, what))

    def end(self, result: Any) -> int:
        """The exit status: the result itself, or 0 once it has been shown."""
        if isinstance(result, int) and not isinstance(result, bool):
            return result
        if result is not None:
            self.output.document(result)
        return OK


def _module(name: str) -> Any:
    return importlib.import_module(f"backup_service.{name}")


def _vault(call: Call) -> Any:
    return _module("jobs").open_vault(call.settings)


# Long-running. Each has its own way to end.


def _scheduler(call: Call) -> Any:
    return _module("scheduler").main(call.settings, call.data, call.arguments.only)


def _canary(call: Call) -> Any:
    return _module("canary").main(call.settings)


def _replicate(call: Call) -> Any:
    return _module("replicate").main(call.settings)


def _side_serve(call: Call) -> Any:
    return _module("side").serve(call.settings)


# What runs once.


def _run(call: Call) -> Any:
    options = {"at": call.arguments.at, "wrong_key": call.arguments.wrong_key}
    record = _module("jobs").run(
        call.arguments.kind,
        call.settings,
        _vault(call),
        call.data,
        emit=call.output.event,
        options=options,
    )
    call.output.event({"event": "record", **record.document()})
    if record.result == "ok":
        return OK
    call.output.error(f"{record.kind}: {record.error}")
    return FAILED


def _want_full(call: Call) -> Any:
    return _module("wanted").want_full(call.data, call.arguments.since)


def _stanza_create(call: Call) -> Any:
    _module("pgbackrest").run("stanza-create", stanza=call.settings.stanza)
    return OK


def _list(call: Call) -> Any:
    return {"list": _module("overview").listed(call.settings, _vault(call))}


def _info(call: Call) -> Any:
    return _module("overview").info(call.settings, _vault(call), call.data)


def _records(call: Call) -> Any:
    if call.arguments.send:
        left = _module("records").Records(call.data, _vault(call)).send()
        if left:
            call.output.error(f"the vault did not take {left} records: tried again later")
        return FAILED if left else OK
    found, errors = _module("overview").records(_vault(call), call.data, call.arguments.kind)
    for record in found:
        call.output.event({"event": "record", **record.document()})
    for error in errors:
        call.output.error(error)
    return FAILED if errors else OK


def _state(call: Call) -> Any:
    return _module("state").read_all(call.data)


def _switch_wal(call: Call) -> Any:
    return _module("archiver").switch_wal(call.settings)


def _flush_journal(call: Call) -> Any:
    _module("canary").flush(call.settings)
    return OK


def _check_target(call: Call) -> Any:
    return _module("side").check(call.settings, call.arguments.to)


def _seed(call: Call) -> Any:
    return _module("seed").main(call.settings, call.progress("seed"))


def _load_redis(call: Call) -> Any:
    progress = call.progress("load-redis")
    return _module("load_redis").main(call.settings, progress, call.arguments.before)


def _rewind(call: Call) -> Any:
    return _module("rewind").main(call.settings, call.arguments.to, call.progress("rewind"))


def _harm(call: Call) -> Any:
    return _module("harm").main(call.settings, call.arguments.kind)


def _inventory(call: Call) -> Any:
    return {"objects": _module("harm").inventory(call.settings)}


def _side_restore(call: Call) -> Any:
    arguments = call.arguments
    return _module("side").restore(
        call.settings, arguments.to, arguments.timeline, call.progress("side")
    )


def _side_drop(call: Call) -> Any:
    return _module("side").drop(call.settings)


def _side_state(call: Call) -> Any:
    return _module("side").state(call.settings)


def _moment(text: str) -> Any:
    try:
        return times.parse(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no ISO 8601 time, like 2026-11-23T01:02:03Z"
        ) from None


def parser() -> argparse.ArgumentParser:
    """Every command; the function that does it is in `do`."""
    found = argparse.ArgumentParser(prog="backup-service", description=__doc__)
    commands = found.add_subparsers(metavar="COMMAND", required=True)

    def add(
        name: str, do: Callable[[Call], Any], about: str, within: Any = commands, once: bool = True
    ) -> argparse.ArgumentParser:
        command: argparse.ArgumentParser = within.add_parser(name, help=about, description=about)
        command.add_argument("--json", action="store_true", help="one JSON object a line")
        command.set_defaults(do=do, once=once)
        return command

    command = add("scheduler", _scheduler, "start every job when it is due", once=False)
    command.add_argument("--only", metavar="KIND", help="this kind alone")
    add("canary", _canary, "commit and watch the archive", once=False)
    add("replicate", _replicate, "keep the copy up to date", once=False)

    command = add("run", _run, "run one job now")
    command.add_argument("kind", metavar="KIND", help="one of those that are scheduled")
    command.add_argument("--at", metavar="TIME", help="restore-test: to this moment")
    command.add_argument(
        "--wrong-key", action="store_true", help="restore-test: with a key that is not the one"
    )
    command = add("want-full", _want_full, "have a full backup made by the scheduler")
    command.add_argument(
        "--since", metavar="TIME", type=_moment, help="unless one was begun since; else now"
    )
    add("stanza-create", _stanza_create, "prepare the repository; does nothing the second time")
    add("list", _list, "every backup there is")
    add("info", _info, "from when to when one can restore, and how far that is proven")
    command = add("records", _records, "what every run came to")
    command.add_argument("--kind", help="of this kind alone")
    command.add_argument(
        "--send", action="store_true", help="copy into the vault what is not there"
    )
    add("state", _state, "what the processes of this container do now")
    add("switch-wal", _switch_wal, "end the WAL segment and wait until it is archived")

    add("flush-journal", _flush_journal, "bring the canary's journal to the vault")
    command = add("check-target", _check_target, "whether one can restore to a point")
    command.add_argument("--to", metavar="T", required=True, help="time, LSN, name or `latest`")

    add("seed", _seed, "fill an empty vault from the copy")
    command = add("load-redis", _load_redis, "load what Redis lacks of the newest snapshot")
    command.add_argument("--before", metavar="TIME", type=_moment, help="pass over later ones")
    command = add("rewind", _rewind, "put back what the vault held at a moment")
    command.add_argument("--to", metavar="TIME", required=True, type=_moment)
    command = add("harm", _harm, "for drills: damage what is in the vault")
    command.add_argument("kind", choices=HARMS)
    add("inventory", _inventory, "for drills: what is in the vault now")

    side = commands.add_parser("side", help="a second instance beside the running one")
    within = side.add_subparsers(metavar="COMMAND", required=True)
    add("serve", _side_serve, "keep it running while there is one", within, once=False)
    command = add("restore", _side_restore, "restore into it", within)
    command.add_argument("--to", metavar="T", required=True, help="time, LSN, name or `latest`")
    command.add_argument("--timeline", type=int, metavar="N")
    add("drop", _side_drop, "remove it", within)
    add("state", _side_state, "what it holds", within)
    return found


@contextlib.contextmanager
def _ends_in_order() -> Iterator[None]:
    """SIGTERM ends what runs once through its own clean-up."""

    def end(number: int, frame: FrameType | None) -> None:
        # Once: clean-up is not interrupted.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def main(arguments: Sequence[str] | None = None) -> int:
    """The program; returns its exit status."""
    parsed = parser().parse_args(arguments)
    output = Output(parsed.json)
    try:
        call = Call(parsed, Settings.load(places.FILES / "backup.json"))
        with _ends_in_order() if parsed.once else contextlib.nullcontext():
            return call.end(parsed.do(call))
    except (Terminated, KeyboardInterrupt):
        output.error("it was asked to stop before it was done")
        return FAILED
    except Exception as error:  # noqa: BLE001 - one line, whatever it is
        if not type(error).__module__.startswith("backup_service"):
            traceback.print_exc(file=sys.stderr)
        output.error(describe(error))
        # Errors say themselves what they mean for whoever called.
        return int(getattr(error, "exit_status", FAILED))
