"""One table of what names a point in time, for all who read one.

The backup service (recover.py) and the commands (cli/point.py) have code of their own, since
neither's package is where the other runs; the first member of a cluster (bootstrap) is given what
the commands made of it. What one of them understands differently restores to another time.
"""

import importlib.machinery
import importlib.util
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from backup_service import recover
from backup_service.recover import BadTarget, Target
from cli import point
from cli.errors import UserError
from cli.point import Point

IMAGES = Path(__file__).resolve().parents[1] / "images"
NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
OLDEST = "20261115-010000F"

# (as a person writes it, kind, value)
UNDERSTOOD = [
    ("10 minutes ago", "time", "2026-11-23T11:50:00.000000Z"),
    ("1 second ago", "time", "2026-11-23T11:59:59.000000Z"),
    ("1 hour ago", "time", "2026-11-23T11:00:00.000000Z"),
    ("90s ago", "time", "2026-11-23T11:58:30.000000Z"),
    ("2h ago", "time", "2026-11-23T10:00:00.000000Z"),
    ("5 mins ago", "time", "2026-11-23T11:55:00.000000Z"),
    ("2 d ago", "time", "2026-11-21T12:00:00.000000Z"),
    (" 1 WEEK ago ", "time", "2026-11-16T12:00:00.000000Z"),
    ("time: 1 day ago", "time", "2026-11-22T12:00:00.000000Z"),
    ("2026-11-23T01:02:03.123456Z", "time", "2026-11-23T01:02:03.123456Z"),
    ("2026-11-23 01:02", "time", "2026-11-23T01:02:00.000000Z"),
    ("2026-11-23", "time", "2026-11-23T00:00:00.000000Z"),
    ("2026-11-23T01:02:03+02:00", "time", "2026-11-22T23:02:03.000000Z"),
    ("20261123T010203Z", "time", "2026-11-23T01:02:03.000000Z"),
    ("time:2026-11-23T12:00:00Z", "time", "2026-11-23T12:00:00.000000Z"),
    ("0/3000060", "lsn", "0/3000060"),
    ("a/ff", "lsn", "A/FF"),
    ("lsn: FFFFFFFF/ffffffff", "lsn", "FFFFFFFF/FFFFFFFF"),
    ("before_release-2.1", "name", "before_release-2.1"),
    ("soon", "name", "soon"),
    ("_" * 63, "name", "_" * 63),
    ("name:latest", "name", "latest"),
    ("name: time", "name", "time"),
    # Prefixes are small letters; a restore point's name may look like one.
    ("TIME:12", "name", "TIME:12"),
    ("latest", "latest", ""),
    (" Latest ", "latest", ""),
]
REFUSED = [
    *("", "  ", "time:", "lsn:", "name:", "--set=x", "a b", "x" * 64),
    *("10 minuts ago", "1 ago", "1000000 s ago", "TIME:10 minutes ago", "time:soon", "time:latest"),
    *("2026-13-01", "12:00", "time:0/3000060"),
    *("1/2/3", "123456789/0", "lsn:zz", "lsn:latest", "name:10", "name:0/3000060"),
    # Before there were dates.
    *("999999 weeks ago", "0001-01-01T00:00:00+14:00"),
]


def bootstrap() -> Any:
    """The program by which a cluster's first member begins, as a module."""
    loader = importlib.machinery.SourceFileLoader("bootstrap", str(IMAGES / "postgres/bootstrap"))
    spec = importlib.util.spec_from_loader("bootstrap", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


@pytest.mark.parametrize(("text", "kind", "value"), UNDERSTOOD)
def test_the_backup_service_and_the_commands_understand_the_same(
    text: str, kind: str, value: str
) -> None:
    assert recover.parse(text, NOW) == Target(kind, value)
    assert point.parse(text, NOW) == Point(kind, value)


@pytest.mark.parametrize(("text", "kind", "value"), UNDERSTOOD)
def test_what_a_command_fixes_is_later_still_the_same_to_the_backup_service(
    text: str, kind: str, value: str
) -> None:
    assert recover.parse(point.fixed(text, NOW), LATER) == Target(kind, value)


@pytest.mark.parametrize(("text", "kind", "value"), UNDERSTOOD)
def test_the_first_member_restores_to_what_the_command_understood(
    text: str, kind: str, value: str
) -> None:
    options = bootstrap().target(point.parse(text, NOW).value or None, OLDEST)
    assert options[0] == f"--type={'default' if kind == 'latest' else kind}"
    targets = [each for each in options if each.startswith("--target=")]
    known = recover._for_pgbackrest(Target(kind, value))
    assert targets == ([] if kind == "latest" else [f"--target={known}"])


@pytest.mark.parametrize("text", REFUSED)
def test_both_refuse_what_names_no_point_and_say_what_would(text: str) -> None:
    with pytest.raises(BadTarget, match="10 minutes ago"):
        recover.parse(text, NOW)
    with pytest.raises(UserError, match="10 minutes ago"):
        point.parse(text, NOW)


@pytest.mark.parametrize("text", REFUSED)
def test_what_names_no_point_is_not_fixed_into_one(text: str) -> None:
    try:
        left = point.fixed(text, NOW)
    except UserError:
        return
    assert left == text.strip()


@pytest.mark.parametrize("text", ["2026-11-23T12:00:01Z", "time:2099-01-01"])
def test_both_refuse_the_future(text: str) -> None:
    with pytest.raises(BadTarget, match="is in the future: it is 2026-11-23T12:00:00Z now"):
        recover.parse(text, NOW)
    with pytest.raises(UserError, match="is in the future: it is 2026-11-23T12:00:00Z now"):
        point.parse(text, NOW)
