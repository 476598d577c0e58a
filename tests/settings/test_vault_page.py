"""The examples of docs/vault-on-aws.md are settings, and what the page says follows from them."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from settings.backup import BackupSettings
from settings.vault import AwsVaultSettings, S3VaultSettings

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "vault-on-aws.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def example(kind: str) -> dict[str, Any]:
    (text,) = [each for each in EXAMPLES if f"kind: {kind}\n" in each]
    backup: dict[str, Any] = yaml.safe_load(text)["config"]["selfmonitor:backup"]
    return backup


def decrypted(value: Any) -> Any:
    """As the Pulumi CLI hands it to the program."""
    if isinstance(value, dict):
        if value.keys() == {"secure"}:
            return "canary"
        return {key: decrypted(each) for key, each in value.items()}
    return value


def test_the_example_on_aws_can_be_used_as_it_is() -> None:
    vault = BackupSettings.model_validate(example("aws")).vault
    assert isinstance(vault, AwsVaultSettings)
    assert len(vault.administrators) == 1


def test_the_example_at_another_s3_lacks_only_what_it_leaves_out() -> None:
    backup = decrypted(example("s3"))
    assert backup["vault"].pop("copy_place") == "…"
    found = BackupSettings.model_validate({**backup, "second_region": False}).vault
    assert isinstance(found, S3VaultSettings)


@pytest.mark.parametrize("role", ["writer", "tester", "reader", "follower", "seeder"])
def test_the_service_accounts_of_each_role_are_the_defaults(role: str) -> None:
    vault = BackupSettings.model_validate(example("aws")).vault
    assert isinstance(vault, AwsVaultSettings)
    (line,) = [each for each in PAGE.splitlines() if each.startswith(f"| {role} |")]
    named = re.findall(r"`([a-z-]+)`", line.split("|")[2])
    assert tuple(named) == vault.web_identity.accounts[role]


def test_the_buckets_of_the_drawing_are_those_that_are_made() -> None:
    names = set(re.findall(r"acme-ledger-vault(?:-[a-z]+)*", PAGE))
    assert names == {
        "acme-ledger-vault",
        *(f"acme-ledger-vault-{suffix}" for suffix in ("copy", "logs", "copy-logs", "audit")),
    }
