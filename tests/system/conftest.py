"""Brings the system tests' stack up once; takes it down afterwards, even when tests failed.

SELFMONITOR_KEEP_STACK=1 keeps it, and the next run uses it as it is.
"""

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest


def _load(name: str) -> ModuleType:
    path = Path(__file__).with_name(f"{name}.py")
    specification = importlib.util.spec_from_file_location(f"system_{name}", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


Stack = _load("running").Stack


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is a system test, and may take minutes.

    First those with stacks of their own or with none, before the one that the others share is up:
    two stacks at once on a small machine slow each other down.
    """
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.system)
            item.add_marker(pytest.mark.timeout(900))
    items.sort(key=lambda item: "stack" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def stack() -> Iterator[object]:
    """The stack, up and healthy when the session begins."""
    running = Stack("systest", "stack.yaml")
    if not running.state_file.exists():
        # Left by a run of another clone that was killed: its passwords are not here.
        running.ok("down", "--volumes", "--yes")
    running.ok("up")
    yield running
    if os.environ.get("SELFMONITOR_KEEP_STACK") != "1":
        running.ok("down", "--volumes", "--yes")


@pytest.fixture
def strangers_authority(tmp_path: Path) -> str:
    """Path of the certificate of an authority that has nothing to do with any stack."""
    from standalone import values

    key = values.private_key({"algorithm": "ECDSA", "ecdsaCurve": "P256"})
    stranger = values.self_signed_cert(
        {
            "privateKeyPem": key["privateKeyPem"],
            "subject": {"commonName": "stranger"},
            "isCaCertificate": True,
            "allowedUses": ["cert_signing"],
            "validityPeriodHours": 24,
        }
    )
    path = tmp_path / "strangers-ca.crt"
    path.write_text(stranger["certPem"])
    return str(path)


@pytest.fixture
def other() -> Iterator[object]:
    """A second stack, not there yet; gone afterwards."""
    second = Stack("systest-other", "other-stack.yaml")
    second.run("down", "--volumes", "--yes")
    yield second
    second.ok("down", "--volumes", "--yes")
