"""A stack whose vault is on AWS, under mocks: its components without a real platform."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.backup_service import BackupService, BackupServiceArgs
from components.backup_vault import BackupVault, BackupVaultArgs
from components.certificate_authority import CertificateAuthority, CertificateAuthorityArgs
from components.context import Context
from components.postgres_ha import PostgresHA, PostgresHAArgs
from components.redis_sentinel import RedisSentinel, RedisSentinelArgs
from components.routers import Routers, RoutersArgs
from platforms.workload import ConsensusStore, EntranceNames, Peer, Segment, Workload
from settings.backup import BackupSettings, RecoverySettings
from settings.stack import StackSettings

ROOT = Path(__file__).resolve().parents[3]
ACCOUNT = "123456789012"
ISSUER = "oidc.eks.eu-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
AWS = {
    "kind": "aws",
    "account_id": ACCOUNT,
    "region": "eu-west-2",
    "copy_region": "eu-west-1",
    "bucket": "acme-ledger-vault",
    "web_identity": {
        "provider_arn": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}",
        "namespace": "ledger",
    },
    "administrators": [f"arn:aws:iam::{ACCOUNT}:role/vault-administrator"],
    "tags": {"CostCentre": "ledger"},
}
S3_SECRETS = [f"canary-{who}-{part}" for who in ("writer", "reader", "tester") for part in "ks"]
S3_PLACE = {
    "endpoint": "https://s3.example.org:9000",
    "region": "dc-1",
    "bucket": "ledger",
    **{
        who: {"access_key": f"canary-{who}-k", "secret_key": f"canary-{who}-s"}
        for who in ("writer", "reader", "tester")
    },
}


class Declared(pulumi.CustomResource):
    """What a platform was asked to run, as a resource: its raw request shows what is secret."""

    def __init__(self, workload: Workload, opts: pulumi.ResourceOptions) -> None:
        super().__init__(
            "test:index/workload:Workload",
            workload.name,
            {
                "environment": dict(workload.environment),
                "files": dict(workload.files),
                "secretFiles": {
                    name: pulumi.Output.secret(content)
                    for name, content in workload.secret_files.items()
                },
                "talksTo": [each.name for each in workload.talks_to],
                "outside": [
                    {"ports": list(each.ports), "networks": list(map(str, each.networks))}
                    for each in workload.outside
                ],
                "tokens": dict(workload.tokens),
            },
            opts,
        )


class Paper:
    """A platform that writes down what it is asked to run, and has nothing of its own to offer."""

    consensus = "etcd"
    runs_schedules = False
    addresses_are_names = False

    def run(
        self,
        workload: Workload,
        parent: pulumi.Resource,
        after: tuple[pulumi.Resource, ...] = (),
    ) -> tuple[pulumi.Resource, ...]:
        options = pulumi.ResourceOptions(parent=parent, depends_on=list(after))
        return (Declared(workload, options),)

    def address(self, peer: Peer, index: int, segment: Segment) -> str:
        return f"10.0.{peer.ordinal}.{index + 1}"

    def consensus_store(self, peer: Peer) -> ConsensusStore:
        raise ValueError("it has none")

    def entrances(self, peer: Peer, published: tuple[int, ...]) -> tuple[tuple[str, int], ...]:
        return tuple(("127.0.0.1", port) for port in published)

    def entrance_names(self, peer: Peer) -> EntranceNames:
        return EntranceNames((), ("127.0.0.1",))


def stack_with(vault: dict[str, Any], stack: str, recovery: str | None, more: Any) -> None:
    """The program, but for its platform and its outputs."""
    backup = BackupSettings.model_validate({"vault": vault, **more})
    begins = RecoverySettings(source=recovery) if recovery else None  # type: ignore[arg-type]
    settings = StackSettings()
    authority = CertificateAuthority(
        "authority", CertificateAuthorityArgs(f"selfmonitor {stack}", settings.certificates)
    )
    context = Context(stack, ROOT, Paper(), authority, settings.certificates)
    kept = BackupVault("vault", BackupVaultArgs(backup, begins, context))
    postgres = PostgresHA("postgres", PostgresHAArgs(settings.postgres, kept, context))
    redis = RedisSentinel("redis", RedisSentinelArgs(settings.redis, 100, context))
    routers = Routers(
        "routers",
        RoutersArgs(settings.postgres.routers, postgres, redis, settings.redis_ports, context),
    )
    BackupService(
        "backup", BackupServiceArgs(settings.postgres, kept, postgres, redis, routers, context)
    )


def key_id(region: str, name: str) -> str:
    """Of a key, the same each time."""
    digest = hashlib.sha256(f"{region} {name}".encode()).hexdigest()
    return "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:32]))


def provided(token: str, name: str, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """What the provider would say: ids and ARNs as AWS makes them."""
    kind = token.rpartition(":")[2]
    if kind == "Key":
        identity = key_id(inputs["region"], name)
        arn = f"arn:aws:kms:{inputs['region']}:{ACCOUNT}:key/{identity}"
        return identity, {**inputs, "keyId": identity, "arn": arn}
    if kind == "Bucket":
        return inputs["bucket"], {**inputs, "arn": f"arn:aws:s3:::{inputs['bucket']}"}
    if kind == "Role":
        arn = f"arn:aws:iam::{ACCOUNT}:role/{inputs['name']}"
        return inputs["name"], {**inputs, "arn": arn}
    if kind in ("WebAcl", "LogGroup"):
        arn = f"arn:aws:test:{inputs['region']}:{ACCOUNT}:{inputs['name']}"
        return inputs["name"], {**inputs, "arn": arn}
    return name, inputs


def nothing(token: str, name: str, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """As at a first preview: no resource has an id."""
    return "", inputs


@dataclass(frozen=True)
class Declarations:
    """A recording, asked in the words of AWS."""

    recording: Any

    def of_bucket(self, token: str, bucket: str) -> dict[str, Any]:
        """The inputs of a bucket's one sidecar of a type."""
        (found,) = [
            each for each in self.recording.of(token) if each.inputs.get("bucket") == bucket
        ]
        inputs: dict[str, Any] = found.inputs
        return inputs

    def policy(self, bucket: str) -> dict[str, Any]:
        """{statement's id: the statement} of a bucket's policy."""
        text = self.of_bucket("BucketPolicy", bucket)["policy"]
        return {each["Sid"]: each for each in json.loads(text)["Statement"]}

    def key_policy(self, name: str) -> dict[str, Any]:
        """The same of a key's, by its resource name."""
        text = self.recording.named("Key", name).inputs["policy"]
        return {each["Sid"]: each for each in json.loads(text)["Statement"]}

    def key_arn(self, name: str) -> str:
        """Of a key, by its resource name."""
        region = self.recording.named("Key", name).inputs["region"]
        return f"arn:aws:kms:{region}:{ACCOUNT}:key/{key_id(region, name)}"

    def rights(self, role: str) -> list[dict[str, Any]]:
        """All that a role's policies say, by the role's name."""
        return [
            statement
            for each in self.recording.of("RolePolicy")
            if each.inputs["role"] == role
            for statement in json.loads(each.inputs["policy"])["Statement"]
        ]

    def workload(self, name: str) -> dict[str, Any]:
        """What the platform was asked to run."""
        inputs: dict[str, Any] = self.recording.named("Workload", name).inputs
        return inputs


@pytest.fixture(scope="session")
def run_aws(recorder: Callable[..., Any]) -> Callable[..., Declarations]:
    """Runs the stack with changes to the vault's settings; more: of backups.

    Read only; a run with the same arguments is not repeated.
    """
    before: dict[str, Declarations] = {}

    def run(
        changes: Mapping[str, Any] | None = None,
        *,
        stack: str = "production",
        recovery: str | None = None,
        more: Mapping[str, Any] | None = None,
        vault: Mapping[str, Any] = AWS,
        again: int = 0,
        **arguments: Any,
    ) -> Declarations:
        key = repr((changes, stack, recovery, more, vault, again, sorted(arguments)))
        if key not in before:
            chosen = {**vault, **(changes or {})}
            before[key] = Declarations(
                recorder(
                    lambda: stack_with(chosen, stack, recovery, more or {}),
                    stack=stack,
                    **{"answers": provided, **arguments},
                )
            )
        return before[key]

    return run


@pytest.fixture(scope="session")
def declared(run_aws: Callable[..., Declarations]) -> Declarations:
    """The default stack on AWS, in two regions."""
    return run_aws()


@pytest.fixture(scope="session")
def s3_declared(run_aws: Callable[..., Declarations]) -> Declarations:
    """A stack whose vault is an S3 outside AWS, without a second region."""
    return run_aws(
        vault={"kind": "s3", "place": S3_PLACE}, more={"second_region": False}, stack="staging"
    )


@pytest.fixture(scope="session")
def nothing_is_there() -> dict[str, Any]:
    """Arguments of a run as a first preview is: no resource exists."""
    return {"preview": True, "values": lambda token, name, inputs: {}, "answers": nothing}
