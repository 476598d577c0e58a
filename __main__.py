"""The program: settings → platform → components → outputs, and nothing else."""

from pathlib import Path

import pulumi

from components.backup_service import BackupService, BackupServiceArgs
from components.backup_vault import BackupVault, BackupVaultArgs
from components.certificate_authority import CertificateAuthority, CertificateAuthorityArgs
from components.context import Context
from components.edge import protect_edge
from components.events import Events, EventsArgs
from components.outputs import export
from components.postgres_ha import PostgresHA, PostgresHAArgs
from components.redis_sentinel import RedisSentinel, RedisSentinelArgs
from components.routers import Routers, RoutersArgs
from platforms.choose import choose
from settings.engine import current_configuration, must_be_filled_in
from settings.errors import SettingsError
from settings.load import from_engine

ROOT = Path(__file__).resolve().parent


def main() -> None:
    """Registers the stack's resources. Raises RunError, one line, for a bad stack file."""
    stack = pulumi.get_stack()
    try:
        settings = from_engine(current_configuration(), stack)
        must_be_filled_in(settings, stack)
        platform = choose(stack, ROOT, settings)
    except SettingsError as error:
        raise pulumi.RunError(str(error)) from None

    authority = CertificateAuthority(
        "authority", CertificateAuthorityArgs(f"selfmonitor {stack}", settings.certificates)
    )
    context = Context(stack, ROOT, platform, authority, settings.certificates)
    vault = BackupVault("vault", BackupVaultArgs(settings.backup, settings.recovery, context))
    postgres = PostgresHA("postgres", PostgresHAArgs(settings.postgres, vault, context))
    redis = RedisSentinel(
        "redis", RedisSentinelArgs(settings.redis, settings.redis_max_clients, context)
    )
    routers = Routers(
        "routers",
        RoutersArgs(settings.postgres.routers, postgres, redis, settings.redis_ports, context),
    )
    Events("events", EventsArgs(postgres, redis, context))
    BackupService(
        "backup", BackupServiceArgs(settings.postgres, vault, postgres, redis, routers, context)
    )
    protect_edge(stack, settings.edge)
    export(routers, postgres, redis, vault)


if __name__ == "__main__":
    main()
