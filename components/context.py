"""What every component of a stack is given besides its own settings."""

from dataclasses import dataclass
from pathlib import Path

from components.certificate_authority import CertificateAuthority
from platforms.workload import Platform
from settings.stack import CertificateSettings


@dataclass(frozen=True)
class Context:
    """root: the project's folder, where images/ is."""

    stack: str
    root: Path
    platform: Platform
    authority: CertificateAuthority
    certificates: CertificateSettings
