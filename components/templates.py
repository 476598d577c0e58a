"""Fills in the configuration templates that stand beside the images' Dockerfiles."""

from functools import cache
from pathlib import Path
from typing import Any

import jinja2


def render(root: Path, image: str, template: str, **values: Any) -> str:
    """images/<image>/<template> with its values; a value it names and lacks is an error."""
    return _of_image(root, image).get_template(template).render(**values)


@cache
def _of_image(root: Path, image: str) -> jinja2.Environment:
    """Kept: it compiles each template once, and half of a stack's members have the same."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(root / "images" / image),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
