"""Hands the machine's extra certificate authorities to the base image."""

import hashlib
import os
import re
from pathlib import Path

PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
# What Debian itself ships; the image has these anyway.
STANDARD = Path("/usr/share/ca-certificates")
# Variables by which programs are told of a bundle of their own.
VARIABLES = ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "PIP_CERT")


def _certificates(path: Path) -> dict[str, bytes]:
    """{fingerprint: PEM} of a file; nothing for one that cannot be read."""
    try:
        content = path.read_bytes()
    except OSError:
        return {}
    found = [block.replace(b"\r\n", b"\n") + b"\n" for block in PEM.findall(content)]
    return {hashlib.sha256(b"".join(pem.split())).hexdigest(): pem for pem in found}


def extra_authorities(bundles: list[Path], standard: Path = STANDARD) -> dict[str, bytes]:
    """Authorities in the bundles that a plain Debian does not ship: {fingerprint: PEM}."""
    found: dict[str, bytes] = {}
    for bundle in bundles:
        found.update(_certificates(bundle))
    shipped: set[str] = set()
    for file in standard.rglob("*.crt"):
        shipped.update(_certificates(file))
    if not shipped:
        # Without Debian's own set there is nothing to compare with: every authority would count.
        return {}
    return {key: pem for key, pem in found.items() if key not in shipped}


def hand_over(directory: Path) -> int:
    """Writes the extra authorities as *.crt files into the base image's context, removes stale
    ones, and returns their number. Writing nothing new leaves the context's hash as it is.
    """
    named = [Path(os.environ[name]) for name in VARIABLES if os.environ.get(name)]
    wanted = {f"{key[:16]}.crt": pem for key, pem in extra_authorities([BUNDLE, *named]).items()}
    for old in directory.glob("*.crt"):
        if old.name not in wanted:
            old.unlink()
    for name, pem in wanted.items():
        path = directory / name
        if not path.exists() or path.read_bytes() != pem:
            path.write_bytes(pem)
    return len(wanted)
