"""The point in time a person names, looked for in the recoverable window."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from cli import backup_inside
from cli.cluster import Cluster
from cli.errors import OperationFailed, UserError
from cli.figures import moment
from cli.point import Point

# A point younger than this may simply not have reached the vault yet.
RECENT_SECONDS = 300
# The window ends with the last commit of the canary in the vault: the next one is a few seconds
# away, and the vault is told of it half a minute later at the latest.
ARRIVAL_SECONDS = 75
POLL_SECONDS = 5


def _age(text: str) -> float | None:
    """Seconds, of a time; None of a position or a name."""
    try:
        return (datetime.now(UTC) - moment(text.removeprefix("time:").strip())).total_seconds()
    except ValueError:
        return None


def _may_be_recent(text: str) -> bool:
    """Whether it could lie in WAL that is not in the vault yet."""
    age = _age(text)
    return age is None or 0 <= age < RECENT_SECONDS


def _is_time(text: str) -> bool:
    return _age(text) is not None


def switch_wal(cluster: Cluster) -> bool:
    """Has the primary hand over the WAL it has; whether that worked. It need not."""
    try:
        container = backup_inside.find(cluster, "backup")
        switched = backup_inside.ask(container, "switch-wal").status == 0
        # By the canary's journal the vault knows up to when its WAL reaches.
        backup_inside.ask(container, "flush-journal")
    except OperationFailed:
        return False
    return switched


def reachable(
    cluster: Cluster, text: str, tell: Callable[[str], None] = lambda said: None
) -> Point:
    """The point, when it is in the window; one of a moment ago is waited for.

    text: from `point.fixed`. tell: what is waited for. Raises UserError, which says the window,
    when it is not.
    """
    container = backup_inside.find(cluster, "restore-test", "side")
    outcome = _check(container, text)
    if outcome.status == backup_inside.WRONG_INPUT and _may_be_recent(text):
        # A position or a name that is nowhere is not waited for, only looked for once more.
        tell("the point is not in the vault yet: waiting for its WAL")
        begun = time.monotonic()
        deadline = begun + (ARRIVAL_SECONDS if _is_time(text) else 0)
        next_commit = begun + cluster.project.settings.backup.canary_seconds
        switch_wal(cluster)
        again = False
        while (outcome := _check(container, text)).status == backup_inside.WRONG_INPUT:
            if time.monotonic() >= deadline:
                break
            time.sleep(POLL_SECONDS)
            if not again and time.monotonic() > next_commit:
                again = switch_wal(cluster)
    if outcome.status == backup_inside.WRONG_INPUT and "window" not in outcome.message:
        # Of a time to come it says no more than that; one wants to know which there are.
        raise UserError(outcome.message + _window(cluster))
    for answer in reversed(outcome.require_success().answers):
        if "kind" in answer:
            return Point(str(answer["kind"]), str(answer.get("value") or ""))
    raise OperationFailed(
        f"{outcome.member} does not say what {text} means: ./selfmonitor logs {outcome.member}"
    )


def _window(cluster: Cluster) -> str:
    try:
        found = backup_inside.ask(backup_inside.find(cluster, "backup"), "info").answers
        window = (found[-1] if found else {}).get("window") or {}
        return f"; the recoverable window is {window['begin']} to {window['end']}"
    except (OperationFailed, KeyError):
        return ""


def _check(container: Any, text: str) -> backup_inside.Outcome:
    return backup_inside.ask(container, "check-target", "--to", text)
