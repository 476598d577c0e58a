"""backup now, list, info and key; verify-restore."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli import backup as module
from cli import verify_restore as verify_module
from cli.cluster import Cluster
from cli.errors import OperationFailed, UserError

RECORD = {
    "event": "record",
    "id": "a1b2c3d4",
    "kind": "full",
    "started": "2026-11-23T01:00:00.000000Z",
    "ended": "2026-11-23T01:00:42.000000Z",
    "result": "ok",
    "bytes": 5 * 1024**3,
    "error": None,
    "verified": [{"what": "page checksums", "result": True, "detail": "all"}],
    "details": {"label": "20261123-010000F"},
}
PHYSICAL = {
    "kind": "physical",
    "label": "20261123-010000F",
    "type": "full",
    "start": "2026-11-23T01:00:00.000000Z",
    "stop": "2026-11-23T01:00:40.000000Z",
    "bytes": 5 * 1024**3,
    "repo_bytes": 1024**3,
    "whole": True,
}

LISTED = {
    "kind": "full",
    "label": "20261123-010000F",
    "started": "2026-11-23T01:00:00.000000Z",
    "ended": "2026-11-23T01:00:40.000000Z",
    "bytes": 5 * 1024**3,
    "repo_bytes": 1024**3,
    "result": "ok",
    "verified": [{"what": "page checksums", "result": True, "detail": "when it was taken"}],
}


def lines(*documents: Any) -> str:
    return "".join(json.dumps(each) + "\n" for each in documents)


@pytest.fixture
def run(
    stack: Cluster, containers: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Runs a command of the group or verify-restore; what it raises goes through."""
    monkeypatch.setattr(module, "open_cluster", lambda context: stack)
    monkeypatch.setattr(verify_module, "open_cluster", lambda context: stack)

    def go(*arguments: str) -> Result:
        command: Any = module.backup
        if arguments[0] == "verify-restore":
            command, arguments = verify_module.verify_restore, arguments[1:]
        return CliRunner().invoke(
            command, list(arguments), standalone_mode=False, catch_exceptions=False
        )

    return go


def says(container: Any, answers: dict[str, tuple[int, str]]) -> None:
    """Its answer to each command of the program, by a word of it."""

    def answer(command: list[str]) -> tuple[int, str]:
        for word, found in answers.items():
            if any(word in each for each in command):
                return found
        return 0, ""

    container.answer = answer


# Now.


def test_a_backup_ends_with_its_record_in_one_line(
    run: Callable[..., Result], containers: dict[str, Any]
) -> None:
    says(containers["backup-1"], {"run": (0, lines(RECORD))})
    result = run("now", "--kind", "full")
    assert result.return_value == 0
    assert result.stdout == "✓ full  20261123-010000F  5.0 GiB  42 s\n"
    assert containers["backup-1"].asked[0][-3:] == ["run", "full", "--json"]


def test_a_differential_one_is_made_unless_another_is_asked_for(
    run: Callable[..., Result], containers: dict[str, Any]
) -> None:
    says(containers["backup-1"], {"run": (0, lines(RECORD))})
    run("now")
    assert containers["backup-1"].asked[0][-2] == "differential"


def test_a_backup_that_failed_says_why(
    run: Callable[..., Result], containers: dict[str, Any]
) -> None:
    record = {**RECORD, "result": "failed", "error": "vault-1 does not answer", "details": {}}
    error = {"event": "error", "message": "full: vault-1 does not answer"}
    says(containers["backup-1"], {"run": (1, lines(record, error))})
    result = run("now", "--kind", "full")
    assert result.return_value == 1
    assert result.stdout == ""
    assert result.stderr.endswith("failed: vault-1 does not answer\n")


def test_one_that_is_under_way_is_told_with_who_and_since_when(
    run: Callable[..., Result], containers: dict[str, Any]
) -> None:
    message = "full is running since 2026-11-23T01:00:00Z (process 12)"
    says(containers["backup-1"], {"run": (3, lines({"event": "error", "message": message}))})
    with pytest.raises(OperationFailed, match=r"^full is running since .* \(process 12\)$"):
        run("now")


def test_a_backup_service_that_does_not_run_is_named(
    run: Callable[..., Result], containers: dict[str, Any]
) -> None:
    containers["backup-1"].state = "exited"
    with pytest.raises(OperationFailed, match="backup-1 of stack local does not run"):
        run("now")


# List.


def test_the_list_has_every_backup_and_every_run_that_left_none(
    run: Callable[..., Result], containers: dict[str, Any]
) -> None:
    dump = {
        "kind": "logical",
        "label": "20261123T020000Z",
        "started": "2026-11-23T02:00:00Z",
        "ended": None,
        "bytes": None,
        "repo_bytes": 77,
        "result": "interrupted",
        "verified": [],
    }
    killed = {
        **RECORD,
        "id": "k1",
        "kind": "logical",
        "started": "2026-11-23T01:59:59.9Z",
        "ended": "2026-11-23T02:10:00Z",
        "result": "interrupted",
        "error": "it was killed",
        "verified": [],
        "details": {},
    }
    failed = {
        **killed,
        "id": "f1",
        "kind": "redis",
        "started": "2026-11-23T03:00:00Z",
        "ended": "2026-11-23T03:00:01Z",
        "result": "failed",
    }
    other = {**killed, "kind": "restore-test", "started": "2026-11-23T04:00:00Z"}
    containers["backup-1"].answer = lambda command: (
        (0, lines(RECORD, killed, failed, other))
        if "records" in command
        else (0, lines({"list": [LISTED, dump]}))
    )
    found = json.loads(run("list", "-o", "json").stdout)
    assert [(each["kind"], each["label"], each["result"]) for each in found] == [
        ("redis", "f1", "failed"),
        ("logical", "20261123T020000Z", "interrupted"),
        ("full", "20261123-010000F", "ok"),
    ]
    text = run("list").stdout
    assert "page checksums" in text
    assert text.splitlines()[-1].split() == [
        *("full", "20261123-010000F", "2026-11-23", "01:00:00", "40", "s"),
        *("5.0", "GiB", "1.0", "GiB", "ok", "page", "checksums"),
    ]


def test_records_that_cannot_be_read_do_not_hide_the_backups(
    run: Callable[..., Result], containers: dict[str, Any]
) -> None:
    error = {"event": "error", "message": "vault-1: records/ cannot be listed"}
    containers["backup-1"].answer = lambda command: (
        (1, lines(error)) if "records" in command else (0, lines({"list": [LISTED]}))
    )
    result = run("list", "-o", "json")
    assert len(json.loads(result.stdout)) == 1
    assert "records/ cannot be listed" in result.stderr


# Rewind.


def test_a_rewind_puts_back_what_was_there_at_a_moment(
    run: Callable[..., Result], containers: dict[str, Any]
) -> None:
    found = {"restored": 124, "left": 3, "bytes": 5 * 1024**2}
    says(containers["backup-1"], {"rewind": (0, lines(found))})
    result = run("rewind", "--to", "2026-11-23T14:05:00Z", "--yes")
    assert "124 objects put back (5.0 MiB); 3 that came later left alone" in result.stdout
    assert containers["backup-1"].asked[0][-4:] == [
        *("rewind", "--to", "2026-11-23T14:05:00Z", "--json")
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--to", "yesterday", "--yes"), "'yesterday' is no time"),
        (("--to", " ", "--yes"), "say to which point"),
        (("--to", "1 hour ago"), "not confirmed: nothing was put back"),
    ],
)
def test_a_rewind_to_nowhere_or_unconfirmed_asks_nobody(
    run: Callable[..., Result],
    containers: dict[str, Any],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    with pytest.raises(UserError, match=message):
        run("rewind", *arguments)
    assert not containers["backup-1"].asked


# Info.


def ago(**span: float) -> str:
    return (datetime.now(UTC) - timedelta(**span)).isoformat()


def info(**changes: Any) -> dict[str, Any]:
    return {
        "window": {"begin": ago(days=30, seconds=5), "end": ago(seconds=40)},
        "window_error": None,
        "backups": [{**PHYSICAL, "type": "diff", "stop": ago(hours=3, seconds=5)}],
        "errors": [],
        "newest_verified": {
            "time": ago(hours=5, seconds=5),
            "age_seconds": 5 * 3600,
            "point": "2026-11-22T13:14:15Z",
        },
        "last_verification": {"time": ago(hours=5), "result": "ok", "error": None},
        "archiver": {"state": "ok", "last_archived_at": ago(seconds=12.5)},
        "copy": None,
        **changes,
    }


def copy_state(**changes: Any) -> str:
    note = {"time": ago(seconds=1), "state": "ok", "lag_seconds": 3.4, "bytes_behind": 2048}
    return "= copy\n" + lines({**note, **changes})


def test_info_says_from_when_to_when_and_how_old_the_proof_is(
    run: Callable[..., Result], containers: dict[str, Any]
) -> None:
    says(containers["backup-1"], {"info": (0, lines(info()))})
    says(containers["replication-1"], {"sh": (0, copy_state())})
    result = run("info")
    assert result.return_value == 0
    first, second, newest, archive, copy, verified = result.stdout.splitlines()
    assert first.startswith("recoverable   from 20")
    assert first.endswith("UTC (30 d ago)")
    assert second.endswith("UTC (40 s ago)")
    assert newest == ("newest backup diff 20261123-010000F, 3 h ago, 5.0 GiB, 1.0 GiB in the vault")
    assert archive == "archive       ok, last segment 12 s ago"
    assert copy == "second copy   ok, 3 s behind (2.0 KiB)"
    assert verified == "verified      5 h ago, to 2026-11-22 13:14:15 UTC"


def test_a_stack_that_cannot_be_recovered_says_why_and_fails(
    run: Callable[..., Result], containers: dict[str, Any]
) -> None:
    found = info(window=None, window_error="there is no backup yet", newest_verified=None)
    found |= {"last_verification": None, "archiver": {"state": "failing", "message": "see the log"}}
    says(containers["backup-1"], {"info": (0, lines(found))})
    result = run("info")
    assert result.return_value == 1
    assert "recoverable   NO: there is no backup yet\n" in result.stdout
    assert "archive       failing: see the log\n" in result.stdout
    assert "second copy   none\n" in result.stdout
    assert "verified      no restore was verified yet" in result.stdout


def test_a_restore_test_that_failed_comes_before_one_that_passed(
    run: Callable[..., Result], containers: dict[str, Any]
) -> None:
    last = {"time": ago(minutes=10), "result": "failed", "error": "page 7 is damaged"}
    says(containers["backup-1"], {"info": (0, lines(info(last_verification=last)))})
    assert (
        "verified      NO: 10 min ago a restore failed: page 7 is damaged; "
        "the newest that was verified: 5 h ago" in run("info").stdout
    )


def test_what_cannot_be_looked_at_does_not_hide_the_rest(
    run: Callable[..., Result], containers: dict[str, Any]
) -> None:
    found = info(window=None, window_error="vault-1 does not answer", errors=["vault-1 is away"])
    error = {"event": "error", "message": "vault-1 is away"}
    says(containers["backup-1"], {"info": (1, lines(found, error))})
    result = run("info")
    assert result.return_value == 1
    assert "NO: vault-1 does not answer" in result.stdout
    assert "vault-1 is away" in result.stderr


def test_info_for_programs_is_the_whole(
    run: Callable[..., Result], containers: dict[str, Any]
) -> None:
    says(containers["backup-1"], {"info": (0, lines(info()))})
    says(containers["replication-1"], {"sh": (0, copy_state(state="behind"))})
    found = json.loads(run("info", "-o", "json").stdout)
    assert found["copy"]["state"] == "behind"
    assert found["newest_verified"]["point"] == "2026-11-22T13:14:15Z"


# Keys.


def test_the_keys_are_shown_only_when_asked_for(run: Callable[..., Result]) -> None:
    hidden = run("key")
    assert "r3po" not in hidden.output
    assert "l0gical" not in hidden.output
    assert "copy it" in hidden.stdout
    assert run("key", "--reveal").stdout == "repository r3po\nlogical    l0gical\n"


def test_a_stack_without_keys_says_how_to_have_some(
    run: Callable[..., Result], stack: Cluster
) -> None:
    stack._connection = {"ca_certificate": "x"}
    with pytest.raises(UserError, match=r"has no backup keys yet: \./selfmonitor -s local up"):
        run("key")


# Verified.


def a_test(*verified: dict[str, Any], **changes: Any) -> str:
    return lines({**RECORD, "kind": "restore-test", "verified": list(verified), **changes})


RIGHT = {"what": "page checksums", "result": True, "detail": "4100 pages"}
WRONG = {"what": "canary", "result": False, "detail": "3 rows differ"}


def test_a_restore_test_shows_each_check_and_the_whole_time(
    run: Callable[..., Result], containers: dict[str, Any]
) -> None:
    says(containers["restore-test-1"], {"run": (0, a_test(RIGHT))})
    result = run("verify-restore", "--at", "2026-11-23T00:00:00Z")
    assert result.return_value == 0
    assert result.stdout.splitlines() == [
        "✓ page checksums  4100 pages",
        "verified in 42 s, 5.0 GiB: the backups restore",
    ]
    asked = containers["restore-test-1"].asked[0]
    assert asked[-5:] == ["run", "restore-test", "--at", "2026-11-23T00:00:00Z", "--json"]


@pytest.mark.parametrize("status", [0, 1])
def test_a_check_that_failed_fails_it_whatever_the_service_says(
    run: Callable[..., Result], containers: dict[str, Any], status: int
) -> None:
    text = a_test(RIGHT, WRONG, result="failed", error="canary: 3 rows differ")
    says(containers["restore-test-1"], {"run": (status, text)})
    result = run("verify-restore")
    assert result.return_value == 1
    assert "✗ canary  3 rows differ\n" in result.stdout
    assert "NOT verified (42 s, 5.0 GiB): canary: 3 rows differ\n" in result.stdout


def test_a_time_that_cannot_be_restored_is_refused_in_the_services_words(
    run: Callable[..., Result], containers: dict[str, Any]
) -> None:
    error = {"event": "error", "message": "it is outside the window, which is …"}
    says(containers["restore-test-1"], {"run": (2, lines(error))})
    with pytest.raises(UserError, match="outside the window"):
        run("verify-restore", "--at", "yesterday")
