"""The vault's own programs, as modules that import each other, and a container's folders."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FILES = {
    "gateway": "gateway.py",
    "bucket": "bucket.py",
    "lock": "lock.py",
    "vault": "vault",
    "keeper": "keeper",
}
SETTINGS = {
    "bucket": "selfmonitor-test",
    "region": "local",
    "lock_days": 30,
    "port": 7070,
    "policies": {
        "writer": [
            {"Action": ["s3:PutObject", "s3:GetObject"], "Resource": "/*"},
            {"Action": ["s3:ListBucket"], "Resource": ""},
        ],
        "reader": [{"Action": ["s3:GetObject"], "Resource": ["/records/*", "/canary/*"]}],
    },
}


@pytest.fixture(scope="session")
def programs(image_programs: Callable[..., Any]) -> Any:
    """gateway, bucket, lock, vault, keeper."""
    return image_programs("vault", FILES)


@pytest.fixture
def container(programs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders etc, var and run, with the files of a stack."""
    for name, constant in (("etc", "FILES"), ("var", "DATA"), ("run", "RUN")):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(programs.gateway, constant, tmp_path / name)
    (tmp_path / "etc" / "identities.json").write_text(
        json.dumps({"writer": "secret of writer", "reader": "secret of reader"})
    )
    (tmp_path / "etc" / "vault.json").write_text(json.dumps(SETTINGS))
    return tmp_path


@pytest.fixture
def settings(container: Path) -> Callable[..., Path]:
    """Changes vault.json; None takes a value out."""

    def change(**values: Any) -> Path:
        found = {**SETTINGS, **values}
        path = container / "etc" / "vault.json"
        path.write_text(json.dumps({key: found[key] for key in found if found[key] is not None}))
        return path.parent

    return change
