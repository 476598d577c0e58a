"""The vault's own programs, as modules that import each other, and a container's folders."""

import importlib.machinery
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

IMAGE = Path(__file__).resolve().parents[3] / "images" / "vault"
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


def load(name: str, file: str) -> Any:
    loader = importlib.machinery.SourceFileLoader(name, str(IMAGE / file))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def programs() -> Iterator[Any]:
    """gateway, bucket, lock, vault, keeper."""
    modules, path, bytecode = dict(sys.modules), list(sys.path), sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        found = {name: load(name, file) for name, file in FILES.items()}
    finally:
        sys.dont_write_bytecode = bytecode
        sys.path[:] = path
        for name in FILES:
            sys.modules.pop(name, None)
            if name in modules:
                sys.modules[name] = modules[name]
    return SimpleNamespace(**found)


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
