"""The drills of the vault against a backup system that is not there."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.drill import command
from cli.drill.postgres_store import PostgresStore
from cli.drill.stop import StopRequest
from cli.drill.vault import KINDS, VaultCampaign, VaultKind, run_vault_campaign
from cli.drill.vault_scene import VaultTiming, written
from cli.drill.vault_service import BACKUP, RESTORE_TEST, VAULT, Answer
from cli.errors import OperationFailed

pytestmark = pytest.mark.usefixtures("no_thread_left")

SEGMENT = "000000010000000000000007"
FULL = "20261123-010000F"
WAL_KEY = f"pgbackrest/archive/main/17-1/0000000100000000/{SEGMENT}-{'a' * 40}.zst"
DUMP_KEY = "logical/20261123T020000Z/ledger.dump.gpg"
FILE_KEY = f"pgbackrest/backup/main/{FULL}/pg_data/base/16384/2619.zst"
HARMED = {"flip": FILE_KEY, "missing-wal": WAL_KEY, "truncate-dump": DUMP_KEY}
ERRORS = {
    "flip": "P00 ERROR: unable to restore file base/16384/2619",
    "missing-wal": f"WAL segment {SEGMENT} is not in the vault",
    "truncate-dump": "ledger.dump of 20261123T020000Z cannot be read to its end",
}
FORBIDDEN = ("delete a version", "shorten the lock", "change the policy", "delete the bucket")

FAST = VaultTiming(
    apart=0.001,
    poll=0.005,
    busy_limit=0.2,
    window_limit=0.2,
    first_answer_limit=2.0,
    noticed_limit=0.1,
    longest_gap=1.0,
    arrival_limit=0.3,
    read_back_limit=0.1,
)


@dataclass
class FakeService:
    """A vault whose objects are harmed and rewound, and a restore test that looks at them.

    silent: a harm that the test overlooks. vague: errors that name nothing. bundled: errors that
    name the backup alone. busy: how often a run finds another one under way.
    """

    backups: list[str] = field(default_factory=lambda: ["full"])
    dump: bool = True
    busy: int = 0
    silent: bool = False
    vague: bool = False
    bundled: bool = False
    unrecorded: bool = False
    stuck: bool = False
    rewinds: bool = True
    refuses: bool = True
    forgets: bool = False
    here: Callable[[], bool] = lambda: True
    closed: int = 0
    closed_at: float | None = None
    harmed: str | None = None
    on_ask: Callable[[str, tuple[str, ...]], None] = lambda member, arguments: None
    asked: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    kept: list[dict[str, Any]] = field(default_factory=list)
    objects: dict[str, str] = field(
        default_factory=lambda: {WAL_KEY: "1", DUMP_KEY: "2", FILE_KEY: "3"}
    )
    before: dict[str, str] = field(default_factory=dict)

    def ask(self, member: str, *arguments: str, seconds: float = 0) -> Answer:
        self.asked.append((member, arguments))
        self.on_ask(member, arguments)
        asked = f"backup-service {' '.join(arguments)} in {member}"
        match arguments:
            case ("info",):
                return Answer(asked, 0, (self._info(),))
            case ("records", "--kind", kind):
                there = [each for each in self.kept if each["kind"] == kind]
                return Answer(asked, 0, tuple(there))
            case ("list",):
                dump = {"kind": "logical", "label": "20261123T020000Z", "result": "ok"}
                return Answer(asked, 0, ({"list": [dump] if self.dump else []},))
            case ("run", "full"):
                self.backups.append("full")
            case ("run", "logical"):
                self.dump = True
            case ("run", "restore-test", *options):
                return self._restore_test(asked, options)
            case ("harm", "ransomware"):
                return self._ransomware(asked, member)
            case ("harm", kind):
                self.before = dict(self.objects)
                self.harmed = kind
                return Answer(asked, 0, ({"kind": kind, "objects": [HARMED[kind]], "refused": {}},))
            case ("inventory",):
                said = [{"key": k, "sha256": v, "size": 1} for k, v in self.objects.items()]
                return Answer(asked, 0, ({"objects": said},))
            case ("rewind", "--to", to):
                assert datetime.fromisoformat(to) < datetime.now(UTC)
                if not self.rewinds:
                    return Answer(asked, 1, ({"event": "error", "message": "vault-1: away"},))
                self.harmed = None
                self.objects = dict(self.before or self.objects)
                if self.forgets:
                    self.objects.pop(DUMP_KEY)
            case ("switch-wal",):
                if not self.here():
                    return Answer(asked, 1, ({"event": "error", "message": "still waiting"},))
                self.closed_at = None
        return Answer(asked, 0)

    def _info(self) -> dict[str, Any]:
        return {
            "window": {
                "begin": "2020-01-01T01:00:05Z",
                "end": "2020-01-01T01:00:05Z" if self.stuck else written(datetime.now(UTC)),
                "newest_backup_stop": "2020-01-01T01:00:05Z",
            }
            if self.backups
            else None,
            "message": None if self.backups else "no backup",
            "backups": [{"label": FULL, "type": kind} for kind in self.backups],
        }

    def _restore_test(self, asked: str, options: list[str]) -> Answer:
        if self.busy:
            self.busy -= 1
            return Answer(asked, 3, ({"event": "error", "message": "under way since 04:00"},))
        error = None
        if "--wrong-key" in options:
            error = "the repository was not encrypted with this key"
        elif self.harmed is not None:
            error = ERRORS.get(self.harmed, "there is nothing to restore")
        if error is None or self.silent:
            return Answer(asked, 0, ({"event": "record", "kind": "restore-test", "result": "ok"},))
        if self.vague:
            error = "it did not work"
        record = {
            "event": "record",
            "kind": "restore-test",
            "result": "failed",
            "started": written(datetime.now(UTC)),
            "error": error,
        }
        if self.bundled:
            wrong = {"what": "files", "result": False, "detail": error}
            record |= {"verified": [wrong], "details": {"backup": FULL}}
        if not self.unrecorded:
            self.kept.append(record)
        return Answer(asked, 1, ({"event": "error", "message": "the restore test failed"},))

    def _ransomware(self, asked: str, member: str) -> Answer:
        if member == BACKUP:
            self.before = dict(self.objects)
            self.harmed = "ransomware"
            self.objects = dict.fromkeys(list(self.objects)[:1], "overwritten")
        if member != BACKUP:
            return Answer(asked, 1, ({"event": "error", "message": "vault-1: AccessDenied"},))
        tried = dict.fromkeys(FORBIDDEN, "AccessDenied" if self.refuses else None)
        objects = list(self.before)
        return Answer(asked, 0, ({"kind": "ransomware", "objects": objects, "refused": tried},))

    def read(self, member: str, path: str) -> str:
        assert (member, path) == (BACKUP, "/var/lib/backup/archiver.json")
        waits = self.closed_at is not None and not self.here()
        if self.here() and not self.stuck:
            self.closed_at = None
        waits = waits or (self.stuck and self.closed_at is not None)
        late = self.closed_at is not None and time.monotonic() - self.closed_at > 0.03
        return json.dumps(
            {
                "time": written(datetime.now(UTC)),
                "waiting_segments": int(waits),
                "waiting_bytes": int(waits) * 16 * 1024**2,
                "wal_bytes": 64 * 1024**2,
                "state": "failing" if waits and late and not self.silent else "ok",
                "message": "vault-1 does not answer" if waits and late else "",
            }
        )

    def close_segment(self) -> None:
        self.closed += 1
        self.closed_at = time.monotonic()


@pytest.fixture
def service(cluster: Any) -> FakeService:
    return FakeService(here=lambda: VAULT not in cluster.down)


Carry = Callable[..., VaultCampaign]


@pytest.fixture
def carry(cluster: Any, database: Any, service: FakeService) -> Carry:
    """Carries out kinds by their names."""

    def run(*names: str, runs: int = 1, hold: float = 0.08, stop: Any = None) -> VaultCampaign:
        chosen: list[VaultKind] = [
            replace(KINDS[name], hold_seconds=hold if KINDS[name].hold_seconds else 0)
            for name in names
        ]
        return run_vault_campaign(
            cluster,
            service,
            PostgresStore(database.connect),
            chosen,
            runs=runs,
            clients=2,
            stop=stop or StopRequest(),
            tell=lambda line: None,
            timing=FAST,
        )

    return run


DAMAGE = ["flipped-bit", "missing-wal", "truncated-dump"]


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        ("flipped-bit", "16384/2619"),
        ("missing-wal", SEGMENT),
        ("truncated-dump", "ledger.dump"),
        ("wrong-key", "key"),
    ],
)
def test_a_harm_is_found_named_and_undone(
    kind: str, named: str, carry: Carry, service: FakeService
) -> None:
    campaign = carry(kind)
    assert campaign.complaints == []
    assert campaign.exit_code == 0
    [run] = campaign.to_json()["kinds"][0]["each_run"]
    assert (run["found"], run["named"], run["recovered"]) == (True, named, True)
    assert run["failure_records"] == 1
    assert service.harmed is None
    tests = [member for member, asked in service.asked if asked[:2] == ("run", "restore-test")]
    assert tests == [RESTORE_TEST] * 2


def test_what_is_needed_first_is_made_first(carry: Carry, service: FakeService) -> None:
    service.backups, service.dump = [], False
    assert carry("truncated-dump").exit_code == 0
    made = [asked for _, asked in service.asked if asked[0] in ("run", "harm")]
    assert made[:3] == [("run", "full"), ("run", "logical"), ("harm", "truncate-dump")]


def test_a_backup_that_later_ones_rest_on_is_not_the_one_that_is_harmed(
    carry: Carry, service: FakeService
) -> None:
    service.backups = ["full", "diff"]
    assert carry("missing-wal").exit_code == 0
    assert service.backups == ["full", "diff", "full"]


@pytest.mark.parametrize("kind", DAMAGE)
def test_both_restore_tests_go_to_the_end_of_the_window(
    kind: str, carry: Carry, service: FakeService
) -> None:
    campaign = carry(kind)
    assert service.closed == 3
    points = [asked[3] for _, asked in service.asked if asked[:2] == ("run", "restore-test")]
    assert points == [campaign.runs[0].findings.details["point"]] * 2


@pytest.mark.parametrize("kind", [*DAMAGE, "wrong-key", "ransomware"])
def test_a_restore_test_that_passes_in_silence_fails_the_drill(
    kind: str, carry: Carry, service: FakeService
) -> None:
    service.silent = True
    campaign = carry(kind)
    assert campaign.exit_code == 1
    assert "passed" in campaign.complaints[0]
    assert not campaign.runs[0].findings.found
    assert service.harmed is None


@pytest.mark.parametrize("kind", [*DAMAGE, "wrong-key"])
def test_an_error_that_names_nothing_fails_the_drill(
    kind: str, carry: Carry, service: FakeService
) -> None:
    service.vague = True
    campaign = carry(kind)
    assert campaign.exit_code == 1
    assert "not named" in campaign.complaints[0]


def test_a_backup_whose_files_do_not_restore_is_named_by_its_label(
    carry: Carry, service: FakeService
) -> None:
    service.vague = service.bundled = True
    campaign = carry("flipped-bit")
    assert campaign.exit_code == 0
    assert campaign.runs[0].findings.named == FULL


def test_a_failure_without_a_record_fails_the_drill(carry: Carry, service: FakeService) -> None:
    service.unrecorded = True
    campaign = carry("missing-wal")
    assert campaign.exit_code == 1
    assert "no failure record" in campaign.complaints[0]


def test_a_test_of_the_schedule_that_is_under_way_is_waited_for(
    carry: Carry, service: FakeService
) -> None:
    service.busy = 3
    assert carry("flipped-bit").exit_code == 0


def test_a_vault_that_cannot_be_rewound_is_said_with_what_to_do(
    carry: Carry, service: FakeService
) -> None:
    service.rewinds = False
    campaign = carry("flipped-bit", "missing-wal")
    assert campaign.exit_code == 1
    assert "backup-service rewind --to" in campaign.complaints[0]
    assert "vault-1: away" in campaign.complaints[0]
    assert len(campaign.runs) == 1
    assert "after 1 of 2 runs" in campaign.complaints[1]


def test_a_harm_that_cannot_be_made_is_rewound_all_the_same(
    carry: Carry, service: FakeService
) -> None:
    def fail(member: str, arguments: tuple[str, ...]) -> None:
        if arguments[0] == "harm":
            raise OperationFailed("backup-1 cannot be asked")

    service.on_ask = fail
    campaign = carry("flipped-bit")
    assert "backup-1 cannot be asked" in campaign.complaints[0]
    assert service.asked[-1][1][0] == "rewind"


def test_a_window_that_does_not_move_is_named(carry: Carry, service: FakeService) -> None:
    service.stuck = True
    campaign = carry("flipped-bit")
    assert "the window has not moved" in campaign.complaints[0]
    assert not [asked for _, asked in service.asked if asked[0] in ("harm", "rewind")]


def test_an_interrupt_rewinds_first(carry: Carry, service: FakeService) -> None:
    stop = StopRequest()

    def interrupt(member: str, arguments: tuple[str, ...]) -> None:
        if arguments[0] == "harm":
            stop.request()

    service.on_ask = interrupt
    campaign = carry("flipped-bit", stop=stop)
    assert campaign.exit_code == 130
    assert campaign.runs == []
    assert service.asked[-1][1][0] == "rewind"
    assert service.harmed is None


def test_ransomware_is_refused_and_everything_comes_back(
    carry: Carry, service: FakeService
) -> None:
    campaign = carry("ransomware")
    assert campaign.complaints == []
    [run] = campaign.to_json()["kinds"][0]["each_run"]
    assert (run["objects_before"], run["objects_recovered"]) == (3, 3)
    assert run["objects_damaged"] == 3
    assert run["named"] == "4 of 4 refused"
    assert [each["member"] for each in run["others"]] == ["restore-test-1", "replication-1"]
    assert all(each["error"] == "vault-1: AccessDenied" for each in run["others"])
    assert all((each["status"], each["harmed"]) == (1, 0) for each in run["others"])
    assert ("backup-1", ("switch-wal",)) in service.asked[-2:]


def test_one_attempt_that_is_not_refused_fails_the_drill(
    carry: Carry, service: FakeService
) -> None:
    service.refuses = False
    campaign = carry("ransomware")
    assert campaign.exit_code == 1
    assert "was not refused: delete a version" in campaign.complaints[0]


def test_one_object_that_does_not_come_back_fails_the_drill(
    carry: Carry, service: FakeService
) -> None:
    service.forgets = True
    campaign = carry("ransomware")
    assert campaign.exit_code == 1
    assert f"1 of 3 objects: {DUMP_KEY} is gone" in campaign.complaints[0]
    assert not campaign.runs[0].findings.recovered


def test_commits_go_on_while_the_vault_is_away(
    carry: Carry, service: FakeService, cluster: Any
) -> None:
    campaign = carry("away", hold=0.2)
    assert campaign.complaints == []
    [run] = campaign.to_json()["kinds"][0]["each_run"]
    assert run["acked_while_away"] > 10
    assert run["longest_gap_seconds"] < 0.2
    assert run["peak_waiting_segments"] == 1
    assert run["peak_waiting_bytes"] == 16 * 1024**2
    assert 0.03 < run["noticed_seconds"] < 0.2
    assert run["named"] == "failing: vault-1 does not answer"
    assert run["lost"] == 0
    assert 0.2 <= run["away_seconds"] < 1
    assert cluster.calls == [("kill", VAULT), ("start", VAULT)]


def test_an_archiver_that_says_nothing_fails_a_long_absence_only(
    carry: Carry, service: FakeService
) -> None:
    service.silent = True
    assert carry("away", hold=0.08).exit_code == 0
    campaign = carry("away", hold=0.15)
    assert "did not say so within" in campaign.complaints[0]


def test_wal_that_does_not_arrive_fails_the_drill(carry: Carry, service: FakeService) -> None:
    def stay(member: str, arguments: tuple[str, ...]) -> None:
        service.stuck = True

    service.on_ask = stay
    campaign = carry("away")
    assert "segments still wait" in campaign.complaints[0]
    assert not campaign.runs[0].findings.recovered


def test_commits_that_stop_meanwhile_fail_the_drill(
    carry: Carry, database: Any, cluster: Any
) -> None:
    insert = database.on_insert

    def wait(connection: Any) -> None:
        while VAULT in cluster.down:
            time.sleep(0.002)
        insert(connection)

    database.on_insert = wait
    campaign = carry("away", hold=1.2)
    assert "no commit was acknowledged for" in campaign.complaints[0]


def test_an_interrupt_brings_the_vault_back(carry: Carry, cluster: Any, database: Any) -> None:
    stop = StopRequest()
    killed = cluster.kill

    def kill(member: str) -> None:
        killed(member)
        stop.request()

    cluster.kill = kill
    campaign = carry("away", hold=30, stop=stop)
    assert campaign.exit_code == 130
    assert cluster.calls == [("kill", VAULT), ("start", VAULT)]
    assert database.exists is False


@pytest.fixture
def drill(
    cluster: Any, database: Any, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """The command as a person types it."""
    stub = SimpleNamespace(open_cluster=lambda ctx: cluster)
    monkeypatch.setitem(sys.modules, "cli.cluster", stub)
    monkeypatch.setattr(command, "InContainers", lambda cluster: service)
    monkeypatch.setattr(command, "_store_of", lambda cluster: PostgresStore(database.connect))
    monkeypatch.setattr(command, "run_vault_campaign", partial(run_vault_campaign, timing=FAST))
    return lambda *arguments: CliRunner().invoke(command.drill, ["vault", *arguments])


def test_the_command_exits_0_and_says_what_was_found(drill: Callable[..., Result]) -> None:
    result = drill("--kind", "missing-wal", "--runs", "2")
    assert result.exit_code == 0, result.output
    assert result.stdout.count(f"named ({SEGMENT})") == 2
    assert "harms the vault of stack 'local'" in result.stderr
    assert "missing-wal 2/2: restore test that must fail" in result.stderr


def test_with_json_nothing_else_is_on_standard_output(drill: Callable[..., Result]) -> None:
    result = drill("--kind", "all", "--hold", "1", "-o", "json")
    assert result.exit_code == 0, result.stderr
    shown = json.loads(result.stdout)
    assert [each["kind"] for each in shown["kinds"]] == list(KINDS)
    assert all(each["recovered"] == 1 for each in shown["kinds"])


def test_the_command_exits_1_when_a_harm_is_overlooked(
    drill: Callable[..., Result], service: FakeService
) -> None:
    service.silent = True
    result = drill("--kind", "flipped-bit")
    assert result.exit_code == 1
    assert "the harm was not found" in result.stderr


def test_another_stack_is_harmed_only_when_meant(
    drill: Callable[..., Result], cluster: Any, service: FakeService
) -> None:
    cluster.stack = "production"
    result = drill("--kind", "ransomware")
    assert result.exit_code == 2
    assert "--yes" in result.stderr
    assert not service.asked
    assert drill("--kind", "ransomware", "--yes").exit_code == 0


def test_help_describes_every_kind(drill: Callable[..., Result]) -> None:
    shown = drill("--help").output
    for kind in KINDS.values():
        assert kind.kind in shown
        assert kind.summary[:30] in shown


@pytest.mark.parametrize(
    "arguments",
    [[], ["--kind", "meteorite"], ["--kind", "away", "--hold", "0"], ["--kind", "away", "-o", "x"]],
)
def test_bad_input_is_refused(
    arguments: list[str], drill: Callable[..., Result], service: FakeService
) -> None:
    assert drill(*arguments).exit_code == 2
    assert not service.asked
