"""The program: settings → platform → components → outputs, and nothing else."""

from pathlib import Path

import pulumi

from components.backup_service import BackupService, BackupServiceArgs
from components.backup_vault import BackupVault, BackupVaultArgs
from components.certificate_authority import CertificateAuthority, CertificateAuthorityArgs
from components.context import Context
from components.events import Events, EventsArgs
from components.postgres_ha import PostgresHA, PostgresHAArgs
from components.redis_sentinel import RedisSentinel, RedisSentinelArgs
from components.routers import Routers, RoutersArgs
from platforms.docker import DockerPlatform
from settings.engine import current_configuration
from settings.errors import SettingsError
from settings.load import from_engine

ROOT = Path(__file__).resolve().parent


def main() -> None:
    """Registers the stack's resources. Raises RunError, one line, for a bad stack file."""
    stack = pulumi.get_stack()
    try:
        settings = from_engine(current_configuration(), stack)
    except SettingsError as error:
        raise pulumi.RunError(str(error)) from None

    platform = DockerPlatform(stack, ROOT, settings.subnet, settings.bind_address)
    authority = CertificateAuthority(
        "authority", CertificateAuthorityArgs(f"selfmonitor {stack}", settings.certificates)
    )
    context = Context(
        stack, ROOT, settings.bind_address, platform, authority, settings.certificates
    )
    backup, recovery = settings.backup, settings.recovery
    vault = BackupVault("vault", BackupVaultArgs(backup, recovery, context))
    postgres = PostgresHA(
        "postgres", PostgresHAArgs(settings.postgres, backup, recovery, vault, context)
    )
    redis = RedisSentinel(
        "redis", RedisSentinelArgs(settings.redis, settings.redis_max_clients, context)
    )
    routers = Routers(
        "routers",
        RoutersArgs(settings.postgres.routers, postgres, redis, settings.redis_ports, context),
    )
    Events("events", EventsArgs(postgres, redis, context))
    BackupService(
        "backup",
        BackupServiceArgs(
            backup, recovery, settings.postgres, vault, postgres, redis, routers, context
        ),
    )

    pulumi.export("postgres_endpoints", routers.postgres_endpoints)
    pulumi.export("postgres_passwords", postgres.passwords)
    pulumi.export("redis_endpoints", routers.redis_endpoints)
    pulumi.export("redis_sentinels", redis.sentinel_endpoints)
    pulumi.export("redis_password", pulumi.Output.secret(redis.passwords["application"]))
    pulumi.export("application_certificate", redis.client_certificate.certificate)
    pulumi.export("application_key", pulumi.Output.secret(redis.client_certificate.key))
    pulumi.export("backup_keys", pulumi.Output.secret(pulumi.Output.all(**vault.keys)))
    pulumi.export("ca_certificate", postgres.ca_certificate)


if __name__ == "__main__":
    main()
