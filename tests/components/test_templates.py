"""Templates: filled in whole, or not at all."""

from pathlib import Path

import jinja2
import pytest

from components.templates import render


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "images" / "thing").mkdir(parents=True)
    return tmp_path


def write(root: Path, text: str) -> None:
    (root / "images" / "thing" / "a.conf.j2").write_text(text)


def test_a_value_the_template_names_and_nobody_gave_is_an_error(root: Path) -> None:
    write(root, "port = {{ port }}\n")
    with pytest.raises(jinja2.UndefinedError, match="port"):
        render(root, "thing", "a.conf.j2")


def test_values_stand_as_they_are_without_any_escaping(root: Path) -> None:
    write(root, "name = {{ name }}\n")
    assert render(root, "thing", "a.conf.j2", name="<a & 'b'>") == "name = <a & 'b'>\n"
