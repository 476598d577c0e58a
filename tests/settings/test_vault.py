"""Where backups are kept: what each kind must say, and one sentence for each mistake."""

from typing import Any

import pytest

from settings.backup import BackupSettings
from settings.errors import SettingsError, explain
from settings.load import parse
from settings.vault import AwsVaultSettings, EmbeddedVaultSettings, S3VaultSettings

PROVIDER = "arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-west-2.amazonaws.com/id/EXAMPLE"
AWS: dict[str, Any] = {
    "kind": "aws",
    "account_id": "123456789012",
    "region": "eu-west-2",
    "copy_region": "eu-west-1",
    "bucket": "acme-vault",
    "web_identity": {"provider_arn": PROVIDER, "namespace": "ledger"},
}
KEY = {"access_key": "canary-access", "secret_key": "canary-secret"}
PLACE: dict[str, Any] = {
    "endpoint": "https://s3.example.org:9000",
    "region": "dc-1",
    "bucket": "ledger",
    **dict.fromkeys(("writer", "reader", "tester"), KEY),
}
COPY = {**{key: PLACE[key] for key in PLACE if key != "tester"}, "bucket": "ledger-copy"}
S3: dict[str, Any] = {"kind": "s3", "place": PLACE, "copy_place": COPY}


def backup(vault: dict[str, Any], **more: Any) -> BackupSettings:
    return BackupSettings.model_validate({"vault": vault, **more})


def refusal(vault: Any, **more: Any) -> str:
    """The message, after the file's name; exactly one line, and never a secret."""
    with pytest.raises(SettingsError) as caught:
        parse({"backup": {"vault": vault, **more}}, "Pulumi.x.yaml")
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert "canary" not in message
    return message.removeprefix("Pulumi.x.yaml: ")


def without(settings: dict[str, Any], *path: str) -> dict[str, Any]:
    key, *rest = path
    if not rest:
        return {each: value for each, value in settings.items() if each != key}
    return {**settings, key: without(settings[key], *rest)}


def with_(settings: dict[str, Any], value: Any, *path: str) -> dict[str, Any]:
    key, *rest = path
    return {**settings, key: with_(settings[key], value, *rest) if rest else value}


# Which kind


@pytest.mark.parametrize("vault", [{}, {"kind": "embedded"}, {"region": "eu-1"}])
def test_what_names_no_kind_is_the_embedded_one(vault: dict[str, Any]) -> None:
    found = backup(vault).vault
    assert isinstance(found, EmbeddedVaultSettings)
    assert found.kind == "embedded"


def test_each_kind_has_its_own_settings() -> None:
    assert isinstance(backup(AWS).vault, AwsVaultSettings)
    assert isinstance(backup(S3).vault, S3VaultSettings)


@pytest.mark.parametrize("kind", ["gcs", "", None, ["aws"], 5])
def test_a_kind_nobody_knows_is_refused_with_those_there_are(kind: Any) -> None:
    assert refusal({"kind": kind}) == "backup.vault.kind: must be embedded, aws or s3"


@pytest.mark.parametrize("vault", ["aws", 5, ["aws"]])
def test_a_vault_is_a_mapping(vault: Any) -> None:
    message = refusal(vault)
    assert message.startswith("backup.vault: expected a mapping of keys to values, got ")


@pytest.mark.parametrize("vault", [AWS, S3])
def test_a_stack_on_docker_keeps_its_backups_on_its_machine(vault: dict[str, Any]) -> None:
    assert refusal(vault) == (
        f"backup.vault.kind is {vault['kind']}, but platform is docker: what writes backups is on "
        "networks without a way out of the machine"
    )


# AWS


def test_what_is_not_said_about_aws_is_the_strict_choice() -> None:
    found = backup(AWS)
    vault = found.vault
    assert isinstance(vault, AwsVaultSettings)
    assert (vault.lock_mode, vault.lock_days, found.lock_days) == ("COMPLIANCE", None, 38)
    assert vault.kms_deletion_window_days == 30
    assert vault.log_retention_days == 366, "twelve months, whichever they are"
    assert vault.administrators == ()
    assert vault.web_identity.accounts == {
        "writer": ("postgres", "backup"),
        "reader": ("load-redis",),
        "tester": ("restore-test", "side"),
        "follower": ("replication",),
        "seeder": ("seed",),
    }
    assert vault.web_identity.issuer == "oidc.eks.eu-west-2.amazonaws.com/id/EXAMPLE"


@pytest.mark.parametrize("key", ["account_id", "region", "bucket", "web_identity"])
def test_what_nobody_can_guess_is_asked_for(key: str) -> None:
    assert refusal(without(AWS, key)) == f"backup.vault.{key}: is required and was not given"


@pytest.mark.parametrize("key", ["provider_arn", "namespace"])
def test_whom_to_trust_is_asked_for(key: str) -> None:
    message = refusal(without(AWS, "web_identity", key))
    assert message == f"backup.vault.web_identity.{key}: is required and was not given"


def test_one_region_twice_is_no_second_region() -> None:
    assert refusal({**AWS, "copy_region": "eu-west-2"}) == (
        "backup.vault: region and copy_region are both eu-west-2: what takes one away takes both"
    )


def test_a_second_region_is_named_unless_there_is_none() -> None:
    message = (
        "backup: vault.copy_region is required and was not given (or set second_region to false)"
    )
    assert refusal(without(AWS, "copy_region")) == message
    assert backup(without(AWS, "copy_region"), second_region=False).vault.kind == "aws"


@pytest.mark.parametrize(("lock", "retention"), [(37, 30), (8, 1), (15, 8)])
def test_a_lock_that_ends_before_what_rests_on_it_is_refused(lock: int, retention: int) -> None:
    assert refusal({**AWS, "lock_days": lock}, retention_days=retention) == (
        f"backup: vault.lock_days ({lock}) is less than retention_days ({retention}) + 8: the "
        "oldest time one can restore to rests on a full backup made up to a week before it"
    )


@pytest.mark.parametrize("lock", [38, 365])
def test_a_lock_may_be_longer(lock: int) -> None:
    assert backup({**AWS, "lock_days": lock}).lock_days == lock


@pytest.mark.parametrize(
    ("bucket", "reason"),
    [
        ("ab", "3 to 63 characters, not 2"),
        ("a" * 64, "3 to 63 characters, not 64"),
        ("Acme-vault", "lower-case letters, digits and hyphens, a letter or digit at both ends"),
        ("acme_vault", "lower-case letters, digits and hyphens, a letter or digit at both ends"),
        ("-acme", "lower-case letters, digits and hyphens, a letter or digit at both ends"),
        ("acme-", "lower-case letters, digits and hyphens, a letter or digit at both ends"),
        ("acme.vault", "no dots: no certificate would cover the bucket's host name"),
        ("xn--acme", "it begins or ends with what S3 keeps for itself"),
        ("acme-s3alias", "it begins or ends with what S3 keeps for itself"),
    ],
)
def test_a_bucket_that_s3_would_refuse_is_refused_with_the_reason(bucket: str, reason: str) -> None:
    message = f"{bucket!r} is no legal bucket name: {reason}"
    assert refusal({**AWS, "bucket": bucket}) == f"backup.vault.bucket: {message}"
    assert refusal(with_(S3, bucket, "place", "bucket")).endswith(message)


def test_the_names_of_the_other_buckets_fit_too() -> None:
    assert backup({**AWS, "bucket": "a" * 53}).vault
    assert refusal({**AWS, "bucket": "a" * 55}) == (
        "backup.vault: bucket is 2 characters too long: the other buckets' names begin with it, "
        "and have at most 63"
    )


@pytest.mark.parametrize("key", ["region", "copy_region"])
@pytest.mark.parametrize("region", ["eu", "local-1", "EU-WEST-2", "eu-west-2a", ""])
def test_a_region_has_the_shape_of_one(key: str, region: str) -> None:
    message = refusal({**AWS, key: region})
    assert message == f"backup.vault.{key}: {region!r} is no region of AWS, such as eu-west-2"


@pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1", "us-iso-east-1"])
def test_a_region_where_pgbackrest_gets_no_credentials_is_refused(region: str) -> None:
    assert refusal({**AWS, "region": region}) == (
        f"backup.vault.region: {region} is outside the partition `aws`: pgBackRest finds its "
        "role's credentials only at sts.amazonaws.com"
    )


@pytest.mark.parametrize("account", ["1234", "12345678901a", 123456789012])
def test_an_account_is_twelve_digits_in_quotes(account: Any) -> None:
    assert refusal({**AWS, "account_id": account}).startswith("backup.vault.account_id: ")


def test_a_provider_of_another_account_is_refused() -> None:
    other = PROVIDER.replace("123456789012", "210987654321")
    assert refusal(with_(AWS, other, "web_identity", "provider_arn")) == (
        "backup.vault: web_identity.provider_arn is of account 210987654321, not of 123456789012: "
        "a role trusts a provider of its own account"
    )


@pytest.mark.parametrize("arn", ["", "https://oidc.example.org", PROVIDER.replace("oidc-", "")])
def test_a_provider_is_named_by_its_arn(arn: str) -> None:
    message = refusal(with_(AWS, arn, "web_identity", "provider_arn"))
    assert message.startswith(
        f"backup.vault.web_identity.provider_arn: {arn!r} is no OIDC provider"
    )


def test_a_service_account_has_one_role() -> None:
    vault = with_(AWS, ["restore-test", "backup"], "web_identity", "tester")
    assert refusal(vault) == (
        "backup.vault.web_identity: service account backup is given twice: a pod has one role"
    )


@pytest.mark.parametrize("role", ["writer", "reader", "tester", "follower", "seeder"])
@pytest.mark.parametrize("accounts", [[], ["*"], ["system:serviceaccount:x:y"], ["Upper"]])
def test_a_service_account_is_named_and_never_a_pattern(role: str, accounts: list[str]) -> None:
    message = refusal(with_(AWS, accounts, "web_identity", role))
    assert message.startswith(f"backup.vault.web_identity.{role}")


@pytest.mark.parametrize(
    "principal", ["*", "arn:aws:iam::123456789012:root", "arn:aws:iam::1:role/x", "admin"]
)
def test_an_administrator_is_one_role_or_user(principal: str) -> None:
    message = refusal({**AWS, "administrators": [principal]})
    assert message.startswith(f"backup.vault.administrators: {principal!r} is no role or user")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kms_deletion_window_days", 6),
        ("kms_deletion_window_days", 31),
        ("log_retention_days", 365),
        ("lock_mode", "NONE"),
        ("lock_days", 0),
    ],
)
def test_what_lies_outside_its_limits_is_refused_by_its_key(key: str, value: Any) -> None:
    assert refusal({**AWS, key: value}).startswith(f"backup.vault.{key}: must be ")


@pytest.mark.parametrize(
    ("vault", "message"),
    [
        ({**AWS, "regoin": "x"}, "backup.vault.regoin: unknown key; did you mean region?"),
        (
            with_(AWS, "x", "web_identity", "namspace"),
            "backup.vault.web_identity.namspace: unknown key; did you mean namespace?",
        ),
        (
            with_(S3, "x", "place", "endpont"),
            "backup.vault.place.endpont: unknown key; did you mean endpoint?",
        ),
        (
            with_(S3, "x", "place", "writer", "secret"),
            "backup.vault.place.writer.secret: unknown key; did you mean secret_key?",
        ),
        ({**AWS, "memory_mib": 512}, "backup.vault.memory_mib: unknown key; "),
    ],
)
def test_an_unknown_key_has_the_hint_of_its_kind(vault: dict[str, Any], message: str) -> None:
    assert refusal(vault).startswith(message)


# S3 outside AWS


def test_an_endpoint_says_where_and_which_port() -> None:
    vault = backup(S3).vault
    assert isinstance(vault, S3VaultSettings)
    assert (vault.place.host, vault.place.port) == ("s3.example.org", 9000)
    bare = backup(with_(S3, "https://s3.example.org/", "place", "endpoint")).vault
    assert isinstance(bare, S3VaultSettings)
    assert (bare.place.host, bare.place.port) == ("s3.example.org", 443)


@pytest.mark.parametrize(
    "endpoint",
    [
        *("http://s3.example.org", "s3.example.org", "https://", "https://s3.example.org/bucket"),
        *("https://user:password@s3.example.org", "https://s3.example.org:0", "https://x:99999"),
    ],
)
def test_an_endpoint_that_is_no_https_host_is_refused(endpoint: str) -> None:
    message = refusal(with_(S3, endpoint, "place", "endpoint"))
    assert message.startswith("backup.vault.place.endpoint: ")
    assert message.endswith("must be https://host or https://host:port, in lower case")


def test_a_copy_in_the_same_bucket_is_no_copy() -> None:
    same = with_(S3, "ledger", "copy_place", "bucket")
    assert refusal(same) == (
        "backup.vault: place and copy_place are both bucket ledger at "
        "https://s3.example.org:9000: what takes one away takes both"
    )


def test_a_second_place_is_given_unless_there_is_none() -> None:
    message = (
        "backup: vault.copy_place is required and was not given (or set second_region to false)"
    )
    assert refusal(without(S3, "copy_place")) == message
    assert backup(without(S3, "copy_place"), second_region=False).vault.kind == "s3"


@pytest.mark.parametrize("identity", ["writer", "reader", "tester"])
def test_each_identity_has_a_key_of_its_own(identity: str) -> None:
    message = refusal(without(S3, "place", identity))
    assert message == f"backup.vault.place.{identity}: is required and was not given"


def test_a_certificate_is_a_certificate() -> None:
    message = refusal(with_(S3, "/etc/ssl/ca.pem", "place", "ca_certificate"))
    assert message.startswith("backup.vault.place.ca_certificate: ")


# Secrets


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("canary", ("place", "writer")),
        (["canary"], ("place", "writer", "secret_key")),
        (123456, ("place", "writer", "access_key")),
        ({"text": "canary"}, ("place", "writer", "access_key")),
        ("canary", ("place",)),
        ("canary", ("copy_place", "reader")),
    ],
)
def test_an_error_about_a_secret_does_not_tell_it(value: Any, path: tuple[str, ...]) -> None:
    message = refusal(with_(S3, value, *path))
    assert message.startswith(f"backup.vault.{'.'.join(path)}: expected ")
    assert message.endswith("got what is not shown, since it may hold a secret")


def test_a_whole_section_that_is_a_text_is_not_repeated_either() -> None:
    assert refusal("canary").endswith("got what is not shown, since it may hold a secret")


def test_what_only_the_pulumi_cli_can_decrypt_is_said_to_be_that() -> None:
    encrypted = {"secure": "v1:canary"}
    assert refusal(with_(S3, encrypted, "place", "writer", "secret_key")) == (
        "backup.vault.place.writer.secret_key: is encrypted, and only the Pulumi CLI can read it: "
        "run the command with it"
    )


def test_settings_shown_as_text_tell_no_secret() -> None:
    found = backup(S3)
    assert "canary-" not in repr(found) + str(found) + found.model_dump_json()


def test_the_explanation_of_an_unrelated_mistake_still_says_what_was_given() -> None:
    from pydantic import ValidationError

    with pytest.raises(ValidationError) as caught:
        backup({**AWS, "kms_deletion_window_days": 99})
    assert explain(BackupSettings, caught.value).endswith("got 99")
