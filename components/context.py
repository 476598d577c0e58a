"""What every component of a stack is given besides its own settings."""

from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from components.certificate_authority import CertificateAuthority
from platforms.workload import Platform
from settings.stack import CertificateSettings


@dataclass(frozen=True)
class Context:
    """root: the project's folder, where images/ is. host: where clients connect."""

    stack: str
    root: Path
    host: IPv4Address
    platform: Platform
    authority: CertificateAuthority
    certificates: CertificateSettings
