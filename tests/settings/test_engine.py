"""The configuration of a running program, however the engine handed it over."""

import pulumi.runtime
import pytest

from settings.engine import current_configuration


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
