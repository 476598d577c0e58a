"""An image's own programs as modules, and what is common to tests of its use of S3."""

import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

IMAGES = Path(__file__).resolve().parents[2] / "images"


def load(name: str, path: Path) -> Any:
    """A program, which may have no ending, as a module that others import by its name."""
    loader = importlib.machinery.SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader.exec_module(module)
    return module


def load_programs(image: str, files: Mapping[str, str]) -> SimpleNamespace:
    """The programs of an image as modules that import each other, as they do in the container.

    files: {name: file in the image's folder}, whoever is imported before who imports it. Nothing
    stays behind: the next image has modules of the same names.
    """
    modules, path, bytecode = dict(sys.modules), list(sys.path), sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        return SimpleNamespace(
            **{name: load(name, IMAGES / image / file) for name, file in files.items()}
        )
    finally:
        sys.dont_write_bytecode = bytecode
        sys.path[:] = path
        for name in files:
            sys.modules.pop(name, None)
            if name in modules:
                sys.modules[name] = modules[name]


@pytest.fixture(scope="session")
def image_programs() -> Callable[[str, Mapping[str, str]], SimpleNamespace]:
    """`load_programs`."""
    return load_programs


@pytest.fixture(scope="session")
def aws_session() -> Any:
    """One for all, since to read what S3 is takes it longer than most tests take.

    Its clients may be had, and asked, only while moto stands in for the cloud.
    """
    import boto3

    return boto3.session.Session()
