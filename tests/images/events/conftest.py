"""A journal in a folder of its own, a clock that is set by hand, and certificates."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from standalone import values
from watch_events.event import Event
from watch_events.journal import Journal

SHORT = {"validityPeriodHours": 24}
P256 = {"algorithm": "ECDSA", "ecdsaCurve": "P256"}


@dataclass
class Clock:
    """Seconds, as time.monotonic gives them."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "events.jsonl")


@pytest.fixture
def told(journal: Journal) -> Callable[[], list[tuple[Any, ...]]]:
    """What the journal holds: (kind, old, new, reason, seen_late)."""

    def found() -> list[tuple[Any, ...]]:
        return [
            (event.kind, event.old, event.new, event.reason, event.seen_late)
            for event in journal.after(0)
        ]

    return found


def event(identifier: int, service: str = "redis", new: str | None = "redis-1") -> Event:
    """Some event."""
    time = "2026-11-22T22:10:03.123Z"
    return Event(identifier, time, service, "failover", "redis-2", new, "it died", 4, False)


@pytest.fixture(scope="session")
def some_event() -> Callable[..., Event]:
    return event


class Authority:
    """Issues certificates as the stack's own does."""

    def __init__(self) -> None:
        self.key = values.private_key(P256)["privateKeyPem"]
        self.certificate = values.self_signed_cert(
            {
                "privateKeyPem": self.key,
                "subject": {"commonName": "test"},
                "isCaCertificate": True,
                "setSubjectKeyId": True,
                "allowedUses": ["cert_signing", "crl_signing"],
                **SHORT,
            }
        )["certPem"]

    def issue(self, folder: Path) -> Path:
        """ca.crt, tls.crt and tls.key for localhost, in a folder that may be there already."""
        folder.mkdir(exist_ok=True)
        key = values.private_key(P256)["privateKeyPem"]
        request = values.cert_request(
            {
                "privateKeyPem": key,
                "subject": {"commonName": "events"},
                "dnsNames": ["localhost"],
                "ipAddresses": ["127.0.0.1"],
            }
        )["certRequestPem"]
        certificate = values.locally_signed_cert(
            {
                "certRequestPem": request,
                "caCertPem": self.certificate,
                "caPrivateKeyPem": self.key,
                "allowedUses": ["digital_signature", "server_auth", "client_auth"],
                **SHORT,
            }
        )["certPem"]
        (folder / "ca.crt").write_text(self.certificate)
        (folder / "tls.crt").write_text(certificate)
        (folder / "tls.key").write_text(key)
        return folder


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="session")
def stranger() -> Authority:
    """An authority of another stack."""
    return Authority()


@pytest.fixture(scope="session")
def files(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A member's own folder of files. Read only."""
    return authority.issue(tmp_path_factory.mktemp("files"))
