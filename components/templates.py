"""Fills in the configuration templates that stand beside the images' Dockerfiles."""

from pathlib import Path
from typing import Any

import jinja2


def render(root: Path, image: str, template: str, **values: Any) -> str:
    """images/<image>/<template> with its values; a value it names and lacks is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(root / "images" / image),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    return environment.get_template(template).render(**values)
