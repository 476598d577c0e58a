"""Which controls there are: every module in controls/ that is none of a folder."""

import importlib
import pkgutil
from functools import cache

from policies import controls as folder
from policies.contract import Control


@cache
def controls() -> tuple[Control, ...]:
    """All of them, by name. Raises TypeError for a module without a CONTROL."""
    found = []
    for area in pkgutil.iter_modules(folder.__path__, f"{folder.__name__}."):
        package = importlib.import_module(area.name)
        for each in pkgutil.iter_modules(package.__path__, f"{area.name}."):
            control = getattr(importlib.import_module(each.name), "CONTROL", None)
            if not isinstance(control, Control) or control.module != each.name:
                raise TypeError(f"{each.name} has no CONTROL whose module is __name__")
            found.append(control)
    return tuple(sorted(found, key=lambda control: control.id))
