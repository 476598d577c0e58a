"""The program: settings → platform → components → outputs, and nothing else."""

from pathlib import Path

import pulumi

from components.certificate_authority import CertificateAuthority, CertificateAuthorityArgs
from components.postgres_ha import PostgresHA, PostgresHAArgs
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
    postgres = PostgresHA(
        "postgres",
        PostgresHAArgs(
            settings=settings.postgres,
            certificates=settings.certificates,
            platform=platform,
            authority=authority,
            root=ROOT,
            stack=stack,
            host=str(settings.bind_address),
        ),
    )

    pulumi.export("postgres_endpoints", postgres.endpoints)
    pulumi.export("postgres_passwords", postgres.passwords)
    pulumi.export("ca_certificate", postgres.ca_certificate)


if __name__ == "__main__":
    main()
