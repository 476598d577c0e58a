"""Backups: what is given when nothing is said, what follows from it, and what could not work."""

from typing import Any

import pytest

from settings.errors import SettingsError
from settings.load import from_engine, parse
from settings.postgres import MANAGED_PARAMETERS
from settings.stack import StackSettings


def given(**backup: Any) -> StackSettings:
    return parse({"backup": backup}, "Pulumi.local.yaml")


def refusal(**values: Any) -> str:
    """The message, after the file's name; exactly one line."""
    with pytest.raises(SettingsError) as caught:
        parse(values, "Pulumi.local.yaml")
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message.removeprefix("Pulumi.local.yaml: ")


def test_a_month_is_kept_in_two_regions_and_a_minute_is_what_may_be_lost() -> None:
    backup = given().backup
    assert (backup.retention_days, backup.second_region) == (30, True)
    assert backup.second_region_lag_seconds == 900
    assert (backup.recovery_point_seconds, backup.canary_seconds) == (60, 5)
    assert backup.side_port == 5440
    assert backup.invariants == ()
    assert (backup.vault.region, backup.vault.copy_region) == ("local-1", "local-2")
    assert given().recovery is None, "a stack begins empty"


def test_full_once_a_week_and_all_else_daily_is_the_default() -> None:
    assert given().backup.schedules.model_dump() == {
        "full": "0 1 * * 0",
        "differential": "0 1 * * 1-6",
        "logical": "0 2 * * *",
        "redis": "30 2 * * *",
        "restore_test": "0 4 * * *",
    }


@pytest.mark.parametrize("days", [1, 30, 365])
def test_the_lock_outlives_the_week_a_full_backup_is_built_upon_and_the_next_one_being_late(
    days: int,
) -> None:
    assert given(retention_days=days).backup.lock_days == days + 8


@pytest.mark.parametrize(("promised", "switched"), [(20, 10), (60, 50), (3600, 3590)])
def test_wal_is_handed_over_early_enough_to_be_there_in_time(promised: int, switched: int) -> None:
    backup = given(recovery_point_seconds=promised).backup
    assert backup.archive_timeout_seconds == switched


@pytest.mark.parametrize("parameter", ["archive_mode", "archive_timeout", "restore_command"])
def test_what_archiving_rests_on_is_no_matter_of_the_stack_file(parameter: str) -> None:
    assert parameter in MANAGED_PARAMETERS
    assert refusal(postgres={"parameters": {parameter: "x"}}) == (
        f"postgres.parameters: {parameter} is set by the platform and cannot be given here"
    )


@pytest.mark.parametrize(
    ("database", "message"),
    [
        (
            {"name": "selfmonitor", "owner": "user"},
            "name: selfmonitor belongs to the cluster: choose another name",
        ),
        (
            {"name": "shop", "owner": "backup"},
            "owner: backup is a role of the cluster itself: choose another name",
        ),
    ],
)
def test_the_backup_services_role_and_database_are_taken(
    database: dict[str, str], message: str
) -> None:
    found = refusal(postgres={"databases": [database]})
    assert found == f"postgres.databases[0].{message}"


# Schedules


@pytest.mark.parametrize(
    "schedule",
    [
        *("* * * * *", "0 2 * * *", "59 23 31 12 7", "*/15 0-6 1,15 */2 1-5", "0,30 1-5/2 * * 0"),
        "  5   4 * *  6 ",
    ],
)
def test_a_schedule_is_five_fields_as_cron_has_them(schedule: str) -> None:
    assert given(schedules={"logical": schedule}).backup.schedules.logical == schedule


@pytest.mark.parametrize("schedule", ["", "0 2", "0 2 * *", "0 2 * * * *", "@daily", "daily"])
@pytest.mark.parametrize("key", ["full", "differential", "logical", "redis", "restore_test"])
def test_what_has_not_five_fields_is_refused_with_an_example(key: str, schedule: str) -> None:
    assert refusal(backup={"schedules": {key: schedule}}) == (
        f"backup.schedules.{key}: {schedule!r} is no schedule: five fields "
        "(minute hour day month weekday), e.g. '0 2 * * *' for daily at 02:00 UTC"
    )


@pytest.mark.parametrize(
    ("schedule", "field", "limits"),
    [
        ("60 2 * * *", "60", "0-59"),
        ("0 24 * * *", "24", "0-23"),
        ("0 2 0 * *", "0", "1-31"),
        ("0 2 32 * *", "32", "1-31"),
        ("0 2 * 13 *", "13", "1-12"),
        ("0 2 * * 8", "8", "0-7"),
        ("0 2 * * mon", "mon", "0-7"),
        ("0 2 * * 1-8", "1-8", "0-7"),
        ("0 5-2 * * *", "5-2", "0-23"),
        ("*/0 2 * * *", "*/0", "0-59"),
        ("1,,2 2 * * *", "1,,2", "0-59"),
        ("-1 2 * * *", "-1", "0-59"),
        ("0 2 * * ?", "?", "0-7"),
    ],
)
def test_a_field_that_no_clock_has_is_named_with_its_limits(
    schedule: str, field: str, limits: str
) -> None:
    assert refusal(backup={"schedules": {"redis": schedule}}) == (
        f"backup.schedules.redis: {schedule!r}: {field} is not within {limits}"
    )


@pytest.mark.parametrize("schedule", ["0 1 1 * *", "0 1 * 6 0", "0 1 */2 * *"])
def test_a_full_backup_that_may_leave_a_week_out_is_refused_with_the_reason(schedule: str) -> None:
    message = refusal(backup={"schedules": {"full": schedule}})
    assert message.startswith(f"backup.schedules.full: {schedule!r} may leave a week out: ")
    assert message.endswith("choose days by the last field alone")
    assert given(schedules={"logical": schedule}).backup.schedules.logical == schedule


@pytest.mark.parametrize("schedule", ["0 1 * * *", "0 */6 * * 0", "0 1 * * 1,4"])
def test_a_full_backup_may_be_made_more_often(schedule: str) -> None:
    assert given(schedules={"full": schedule}).backup.schedules.full == schedule


# What does not go together


@pytest.mark.parametrize(("canary", "promised"), [(11, 20), (31, 60), (60, 119)])
def test_a_canary_slower_than_the_promise_is_refused(canary: int, promised: int) -> None:
    message = refusal(backup={"canary_seconds": canary, "recovery_point_seconds": promised})
    assert message == (
        f"backup: canary_seconds ({canary}) is more than half of recovery_point_seconds "
        f"({promised}): what is lost could not be told"
    )


def test_a_canary_just_fast_enough_is_accepted() -> None:
    assert given(canary_seconds=10, recovery_point_seconds=20).backup.canary_seconds == 10


@pytest.mark.parametrize("port", [5432, 5442, 5433, 5443, 6379, 6389])
def test_the_side_instance_takes_no_routers_port(port: int) -> None:
    assert refusal(backup={"side_port": port}) == (
        f"backup.side_port ({port}) is a router's port already: choose another"
    )


@pytest.mark.parametrize("port", [0, 65536])
def test_the_side_port_is_a_port(port: int) -> None:
    assert refusal(backup={"side_port": port}).startswith("backup.side_port: must be ")


def test_an_invariant_is_asked_in_a_database_there_is() -> None:
    invariants = [{"name": "no negative stock", "database": "stock", "sql": "SELECT true"}]
    databases = [{"name": "shop", "owner": "u"}, {"name": "ledger", "owner": "u"}]
    assert refusal(backup={"invariants": invariants}, postgres={"databases": databases}) == (
        "backup.invariants: no negative stock: there is no database stock; there are: shop, ledger"
    )
    databases.append({"name": "stock", "owner": "u"})
    found = parse({"backup": {"invariants": invariants}, "postgres": {"databases": databases}}, "x")
    assert [each.model_dump() for each in found.backup.invariants] == invariants


@pytest.mark.parametrize("missing", ["name", "database", "sql"])
def test_an_invariant_says_its_name_where_and_what(missing: str) -> None:
    invariant = {"name": "a", "database": "db_user_profile", "sql": "SELECT true"}
    del invariant[missing]
    message = refusal(backup={"invariants": [invariant]})
    assert message == f"backup.invariants[0].{missing}: is required and was not given"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("retention_days", 0),
        ("retention_days", 3651),
        ("recovery_point_seconds", 19),
        ("recovery_point_seconds", 3601),
        ("canary_seconds", 0),
        ("second_region_lag_seconds", 59),
        ("second_region_lag_seconds", 86401),
        ("memory_mib", 255),
        ("vault", {"memory_mib": 127}),
    ],
)
def test_what_lies_outside_its_limits_is_refused_by_its_key(key: str, value: Any) -> None:
    inner = f".{next(iter(value))}" if isinstance(value, dict) else ""
    assert refusal(backup={key: value}).startswith(f"backup.{key}{inner}: must be ")


@pytest.mark.parametrize("region", ["", "EU West", "eu_west", "a" * 41])
def test_a_region_is_named_as_s3_names_them(region: str) -> None:
    assert refusal(backup={"vault": {"region": region}}).startswith("backup.vault.region: ")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"backup": {"retention": 30}},
            "backup.retention: unknown key; did you mean retention_days?",
        ),
        (
            {"backup": {"second_regoin": False}},
            "backup.second_regoin: unknown key; did you mean second_region?",
        ),
        (
            {"backup": {"schedules": {"diferential": "0 1 * * *"}}},
            "backup.schedules.diferential: unknown key; did you mean differential?",
        ),
        (
            {"backup": {"vault": {"copy_regoin": "b"}}},
            "backup.vault.copy_regoin: unknown key; did you mean copy_region?",
        ),
        (
            {"recovery": {"from": "copy"}},
            "recovery.from: unknown key; known here: redis, redis_before, source, to",
        ),
        ({"recovry": {}}, "recovry: unknown key; did you mean recovery?"),
    ],
)
def test_an_unknown_key_has_its_hint(values: dict[str, Any], message: str) -> None:
    assert refusal(**values) == message


# Recovery


def test_a_recovery_takes_all_there_is_from_the_first_vault_unless_told_otherwise() -> None:
    recovery = parse({"recovery": {}}, "test").recovery
    assert recovery is not None
    assert (recovery.source, recovery.to) == ("vault", None)


@pytest.mark.parametrize("text", ['{"source": "copy"}', '{"to": "0/3000060"}', "{}"])
def test_a_recovery_is_a_structure_to_the_engine(text: str) -> None:
    assert from_engine({"selfmonitor:recovery": text}, "local").recovery is not None


def test_a_recovery_from_a_copy_that_is_not_kept_is_refused() -> None:
    values = {"backup": {"second_region": False}, "recovery": {"source": "copy"}}
    assert refusal(**values) == "recovery.source is copy, but backup.second_region is false"
    values["recovery"] = {"source": "vault"}
    assert parse(values, "test").recovery


@pytest.mark.parametrize(
    ("recovery", "key"),
    [
        ({"source": "elsewhere"}, "recovery.source: must be 'vault' or 'copy'"),
        ({"to": ""}, "recovery.to: "),
        ({"to": 5}, "recovery.to: expected a text, got 5"),
        ("yesterday", "recovery: expected a mapping of keys to values"),
    ],
)
def test_a_recovery_that_names_nothing_known_is_refused(recovery: Any, key: str) -> None:
    assert refusal(recovery=recovery).startswith(key)
