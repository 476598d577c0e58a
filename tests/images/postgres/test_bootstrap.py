"""bootstrap: what the first member of a cluster begins with."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

IMAGE = Path(__file__).resolve().parents[3] / "images" / "postgres"
LABELS = ("20261115-010000F", "20261115-010000F_20261116-010000D", "20261122-010000F")
NOTHING = {"from": "nothing", "to": None}


def info(
    *labels: str, code: int = 0, message: str = "ok", cause: str | None = None
) -> list[dict[str, Any]]:
    """As pgBackRest tells it of its one stanza."""
    return [
        {
            "name": "main",
            "backup": [{"label": label, "type": "full"} for label in labels],
            "repo": [{"key": 1, "status": {"code": code, "message": cause or message}}],
            "status": {"code": code, "message": message},
        }
    ]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "lib" / "17" / "main"


@pytest.fixture
def bootstrap(bench: Any, tmp_path: Path, directory: Path) -> Callable[..., Any]:
    def run(recovery: dict[str, Any], **changes: Any) -> Any:
        path = tmp_path / "recovery.json"
        path.write_text(json.dumps(recovery))
        return bench.run(
            "bootstrap",
            "--scope=selfmonitor-local",
            f"--datadir={directory}",
            **{"RECOVERY": str(path), **changes},
        )

    return run


def restored(bench: Any) -> list[str]:
    """Options of the one restore there was, sorted."""
    (call,) = [call for call in bench.calls if "restore" in call]
    assert call[:3] == ["pgbackrest", "--stanza=main", "restore"]
    return sorted(call[3:])


# Empty


@pytest.mark.parametrize(
    "found",
    [
        info(code=1, message="missing stanza path"),
        info(code=2, message="no valid backups"),
        info(code=3, message="missing stanza data"),
        [],
    ],
)
def test_a_stack_without_a_past_begins_empty_with_checksums(
    bench: Any, bootstrap: Any, directory: Path, found: list[Any]
) -> None:
    bench.tell(info=found)
    assert bootstrap(NOTHING).returncode == 0
    asked, made = bench.calls
    assert asked == ["pgbackrest", "--stanza=main", "info", "--output=json"]
    assert made[0] == "initdb"
    assert {"--data-checksums", "--encoding=UTF8", f"--pgdata={directory}"} <= {*made}
    assert {"--auth-local=peer", "--auth-host=scram-sha-256", "--username=postgres"} <= {*made}


@pytest.mark.parametrize("status", [0, 1])
def test_what_became_of_initdb_is_what_patroni_hears(
    bench: Any, bootstrap: Any, status: int
) -> None:
    bench.tell(info=[], after=(2, {"status": status}))
    assert bootstrap(NOTHING).returncode == status


def test_an_empty_cluster_beside_its_own_backups_is_refused_with_both_ways_out(
    bench: Any, bootstrap: Any, one_line: Any, directory: Path
) -> None:
    bench.tell(info=info(*LABELS))
    line = one_line(bootstrap(NOTHING))
    assert line.startswith("bootstrap: refused: the vault holds backups of this stack up to ")
    assert LABELS[-1] in line
    assert "./selfmonitor up --from-backup" in line
    assert "./selfmonitor down --volumes" in line
    assert [call[0] for call in bench.calls] == ["pgbackrest"], "nothing was made"
    assert not directory.exists()


# From the vault


@pytest.mark.parametrize(
    ("to", "options"),
    [
        (None, ["--type=default"]),
        ("0/3000060", ["--target=0/3000060", "--type=lsn"]),
        ("a/b4c", ["--target=A/B4C", "--type=lsn"]),
        ("2026-11-23T01:02:03Z", ["--target=2026-11-23 01:02:03.000000+00", "--type=time"]),
        ("2026-11-23T03:02:03.5+02:00", ["--target=2026-11-23 01:02:03.500000+00", "--type=time"]),
        ("2026-11-23 01:02:03.123456", ["--target=2026-11-23 01:02:03.123456+00", "--type=time"]),
        ("2026-11-23", ["--target=2026-11-23 00:00:00.000000+00", "--type=time"]),
        # Which backups came before it, none of them knows; the oldest did.
        ("before-release", [f"--set={LABELS[0]}", "--target=before-release", "--type=name"]),
        ("12/not-an-lsn", [f"--set={LABELS[0]}", "--target=12/not-an-lsn", "--type=name"]),
    ],
)
def test_a_recovery_restores_up_to_what_is_asked_for(
    bench: Any, bootstrap: Any, directory: Path, to: str | None, options: list[str]
) -> None:
    bench.tell(info=info(*LABELS))
    done = bootstrap({"from": "vault", "to": to})
    assert done.returncode == 0, done.stderr
    action = ["--target-action=promote"] if to else []
    # A vault that does not answer must not look like the end of the WAL.
    fetch = (
        f'pgbackrest --stanza=main --pg1-path={directory} archive-get %f "%p"; '
        "code=$?; test $code -le 1 || code=126; exit $code"
    )
    command = f"--recovery-option=restore_command={fetch}"
    assert restored(bench) == sorted([f"--pg1-path={directory}", command, *action, *options])
    assert f"newest backup {LABELS[-1]}" in done.stdout
    assert not [call for call in bench.calls if call[0] == "initdb"]


def test_the_data_directory_is_the_servers_own_before_anything_is_in_it(
    bench: Any, bootstrap: Any, directory: Path
) -> None:
    bench.tell(info=info(*LABELS))
    for _ in ("new", "there already"):
        assert bootstrap({"from": "vault", "to": None}).returncode == 0
        assert directory.stat().st_mode & 0o777 == 0o700


def test_a_restore_that_fails_is_what_patroni_hears(bench: Any, bootstrap: Any) -> None:
    bench.tell(info=info(*LABELS), after=(2, {"status": 75}))
    assert bootstrap({"from": "vault", "to": None}).returncode == 75


def test_a_recovery_from_a_vault_without_a_backup_is_refused(
    bench: Any, bootstrap: Any, one_line: Any
) -> None:
    bench.tell(info=info(code=2, message="no valid backups"))
    line = one_line(bootstrap({"from": "vault", "to": None}))
    assert line == "bootstrap: refused: the vault holds no backup to begin with"
    assert len(bench.calls) == 1


# The vault cannot be asked: never taken for empty


CAUSE = "[HostConnectError] unable to connect to 'vault-1:7070'\n[101] Network is unreachable"


@pytest.mark.parametrize("recovery", [NOTHING, {"from": "vault", "to": None}])
@pytest.mark.parametrize(
    ("told", "changes", "said"),
    [
        (
            {"info": info(code=99, message="other", cause=CAUSE)},
            {},
            f"cannot be read: {CAUSE.replace(chr(10), ' ')}",
        ),
        (
            {"info": [{"name": "main", "backup": [], "status": {"code": 99, "message": "other"}}]},
            {},
            "cannot be read: other",
        ),
        ({"away": "ERROR: [056]:\n unable to find it"}, {}, "does not answer: ERROR: [056]: "),
        ({"info": [], "hangs": 20}, {"INFO_SECONDS": 1}, "does not answer within 1 s"),
    ],
    ids=["away", "no cause", "error", "hangs"],
)
def test_a_vault_that_cannot_be_asked_ends_it_in_one_line(
    bench: Any,
    bootstrap: Any,
    one_line: Any,
    directory: Path,
    recovery: dict[str, Any],
    told: dict[str, Any],
    changes: dict[str, Any],
    said: str,
) -> None:
    bench.tell(**told)
    line = one_line(bootstrap(recovery, **changes))
    assert line.startswith(f"bootstrap: the vault {said}")
    assert [call[0] for call in bench.calls] == ["pgbackrest"]
    assert not directory.exists()


def test_it_can_be_run() -> None:
    assert os.access(IMAGE / "bootstrap", os.X_OK)
