"""What a stack tells whoever asks: endpoints, credentials, and the authority to trust."""

import pulumi

from components.backup_vault import BackupVault
from components.postgres_ha import PostgresHA
from components.redis_sentinel import RedisSentinel
from components.routers import Routers


def export(
    routers: Routers, postgres: PostgresHA, redis: RedisSentinel, vault: BackupVault
) -> None:
    """The stack's outputs; whatever lets somebody in or reads a backup is marked secret."""
    application = redis.client_certificate
    pulumi.export("postgres_endpoints", routers.postgres_endpoints)
    pulumi.export("postgres_passwords", postgres.passwords)
    pulumi.export("redis_endpoints", routers.redis_endpoints)
    pulumi.export("redis_sentinels", redis.sentinel_endpoints)
    pulumi.export("redis_password", pulumi.Output.secret(redis.passwords["application"]))
    pulumi.export("application_certificate", application.certificate)
    pulumi.export("application_key", pulumi.Output.secret(application.key))
    pulumi.export("backup_keys", pulumi.Output.secret(pulumi.Output.all(**vault.keys)))
    pulumi.export("ca_certificate", postgres.ca_certificate)
