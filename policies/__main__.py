"""The pack as the Pulumi CLI starts it: `pulumi preview --policy-pack policies`."""

import importlib
import importlib.util
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def make_package() -> None:
    """Makes this folder the package `policies`, wherever it lies and whatever it is called.

    The CLI puts the folder itself on the path, and not what it is in.
    """
    spec = importlib.util.spec_from_file_location(
        "policies", FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["policies"] = module
    spec.loader.exec_module(module)


if __name__ == "__main__":
    make_package()
    importlib.import_module("policies.pack").serve()
