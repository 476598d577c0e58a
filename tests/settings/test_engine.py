"""What the engine hands over, and what a program says that must not be applied yet."""

from pathlib import Path

import pulumi.runtime
import pytest

from settings.engine import current_configuration, must_be_filled_in
from settings.errors import SettingsError
from settings.load import load

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def none_set() -> None:
    pulumi.runtime.set_all_config({})


def test_configuration_that_was_set_is_seen_whole() -> None:
    pulumi.runtime.set_all_config({"selfmonitor:a": "1", "selfmonitor:b": "x"})
    assert current_configuration() == {"selfmonitor:a": "1", "selfmonitor:b": "x"}


def test_configuration_from_the_environment_is_seen_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG", '{"selfmonitor:a": "1", "selfmonitor:zebra": "2"}')
    assert current_configuration() == {"selfmonitor:a": "1", "selfmonitor:zebra": "2"}


def test_what_was_set_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG", '{"selfmonitor:a": "1"}')
    pulumi.runtime.set_all_config({"selfmonitor:a": "2"})
    assert current_configuration() == {"selfmonitor:a": "2"}


def test_what_is_to_be_filled_in_is_one_error_that_names_all_of_it() -> None:
    with pytest.raises(SettingsError) as caught:
        must_be_filled_in(load(ROOT, "production"), "production")
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert message.startswith("Pulumi.production.yaml: still to be filled in: kubernetes.context, ")
    assert "backup.vault.account_id" in message
    assert message.count(", ") == 12
    assert message.endswith(
        "; ./selfmonitor doctor --stack production says what each is and how to find it"
    )


def test_at_a_preview_it_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("pulumi.runtime.is_dry_run", lambda: True)
    monkeypatch.setattr("pulumi.log.warn", said.append)
    must_be_filled_in(load(ROOT, "production"), "production")
    assert len(said) == 1
    assert said[0].startswith("Pulumi.production.yaml: still to be filled in: ")


def test_where_nothing_is_left_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulumi.log.warn", lambda text: pytest.fail(text))
    for preview in (True, False):
        monkeypatch.setattr("pulumi.runtime.is_dry_run", lambda preview=preview: preview)
        must_be_filled_in(load(ROOT, "local"), "local")
