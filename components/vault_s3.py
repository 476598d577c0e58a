"""A vault at an S3-compatible server that others run, and that this program makes nothing of."""

import pulumi

from components.vault_place import Authority, Credentials, Place
from settings.vault import AccessKeySettings, S3FirstPlaceSettings, S3PlaceSettings


def s3_place(name: str, settings: S3PlaceSettings) -> Place:
    """name: `vault` or `copy`, after which its files are called. Its keys are marked as secrets."""
    keys = {"writer": settings.writer, "reader": settings.reader}
    if isinstance(settings, S3FirstPlaceSettings):
        keys["tester"] = settings.tester
    return Place(
        host=settings.host,
        port=settings.port,
        region=settings.region,
        bucket=settings.bucket,
        credentials={identity: _credentials(key) for identity, key in keys.items()},
        peer=None,
        servers=(),
        networks=settings.networks,
        authority=(
            Authority(f"{name}-ca.crt", settings.ca_certificate)
            if settings.ca_certificate
            else None
        ),
        path_style=settings.path_style,
    )


def _credentials(key: AccessKeySettings) -> Credentials:
    return Credentials(
        pulumi.Output.secret(key.access_key.get_secret_value()),
        pulumi.Output.secret(key.secret_key.get_secret_value()),
    )
