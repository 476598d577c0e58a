"""gateway.py: what the files say, and who may come."""

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_a_policy_allows_each_identity_its_own_and_nothing_else(
    programs: Any, container: Path
) -> None:
    policy = programs.gateway.Configuration.load().policy()
    found = [
        (each["Effect"], each["Principal"], each["Action"], each["Resource"])
        for each in policy["Statement"]
    ]
    arn = "arn:aws:s3:::selfmonitor-test"
    assert found == [
        (
            *("Allow", {"AWS": ["reader"]}, ["s3:GetObject"]),
            [f"{arn}/records/*", f"{arn}/canary/*"],
        ),
        ("Allow", {"AWS": ["writer"]}, ["s3:PutObject", "s3:GetObject"], [f"{arn}/*"]),
        ("Allow", {"AWS": ["writer"]}, ["s3:ListBucket"], [arn]),
    ]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"lock_days": None}, "lacks 'lock_days'"),
        ({"lock_days": 0}, "at least 1"),
        ({"lock_days": "30"}, "at least 1"),
        (
            {"policies": {"writer": [{"Action": ["s3:*"], "Resource": "arn:aws:s3:::other/*"}]}},
            "begin with /",
        ),
    ],
)
def test_settings_that_cannot_be_are_named(
    programs: Any, settings: Callable[..., Path], values: dict[str, Any], says: str
) -> None:
    settings(**values)
    with pytest.raises(programs.gateway.WrongSettings, match=says) as caught:
        programs.gateway.Configuration.load()
    assert "vault.json" in str(caught.value)


def test_identities_are_written_for_the_gateway_alone(programs: Any, container: Path) -> None:
    programs.gateway.write_identities()
    folder = container / "run" / "identities"
    path = folder / "users.json"
    accounts = json.loads(path.read_text())["accessAccounts"]
    assert accounts == {
        name: {"access": name, "secret": f"secret of {name}", "role": "user"}
        for name in ("writer", "reader")
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    (container / "etc" / "identities.json").write_text('{"writer": "new", "reader": "new"}')
    programs.gateway.write_identities()
    assert json.loads(path.read_text())["accessAccounts"]["writer"]["secret"] == "new"
    assert [each.name for each in folder.iterdir()] == ["users.json"]


@pytest.mark.parametrize(
    ("identities", "says"),
    [
        ('{"writer": "w", "reader": "r", "administrator": "a"}', "administrator must not be"),
        ('{"writer": "hidden"}', "vault.json: reader is not in identities.json"),
        ('{"writer": hidden', "is not JSON"),
        ('["hidden"]', "holds no object"),
    ],
)
def test_identities_that_cannot_be_are_named_and_not_quoted(
    programs: Any, container: Path, identities: str, says: str
) -> None:
    (container / "etc" / "identities.json").write_text(identities)
    with pytest.raises(programs.gateway.WrongSettings, match=says) as caught:
        programs.gateway.write_identities()
    assert "hidden" not in str(caught.value)
    assert not (container / "run" / "identities").exists()
