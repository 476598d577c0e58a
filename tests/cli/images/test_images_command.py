"""selfmonitor images: built as up builds them, looked into, listed."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli.console import Steps
from cli.errors import OperationFailed, UserError
from cli.images import command
from cli.images.build import build
from cli.images.command import chosen, described
from cli.images.contents import look_into
from cli.project import Project
from platforms.image_context import image_context

ROOT = Path(__file__).resolve().parents[3]
REGISTRY = "registry.example.com/selfmonitor"
TOLD = {
    "system": {"id": "debian", "version": "13"},
    "debian": [
        {
            "name": "libc6",
            "version": "2.41-12",
            "architecture": "amd64",
            "source": "glibc",
            "source_version": "2.41-12",
        }
    ],
    "python": [{"name": "redis", "version": "6.1.0", "path": "/usr/lib/x"}],
    "go": [],
}


@pytest.fixture
def project(root: Path) -> Project:
    (root / "Pulumi.yaml").write_text("name: selfmonitor\n")
    (root / "Pulumi.local.yaml").write_text("config: {}\n")
    kubernetes = f"config:\n  platform: kubernetes\n  kubernetes:\n    registry: {REGISTRY}\n"
    (root / "Pulumi.shop.yaml").write_text(kubernetes)
    return Project(root, "shop")


@pytest.fixture
def run(project: Project, engine: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Any:
    """Runs `images …` on the engine in memory; what it printed."""
    engine.output = json.dumps(TOLD).encode()
    monkeypatch.setattr(command, "prepare", lambda root, steps: engine)
    monkeypatch.setattr(command.docker_engine, "require", lambda: engine)

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(command.images, arguments, obj=project, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    return run


def test_the_base_is_built_first_and_each_image_of_its_own_folder(engine: Any, root: Path) -> None:
    names = build(engine, root, Steps())
    base = image_context(root, "base").name
    assert [each["tag"] for each in engine.builds] == list(names.values())
    assert [each["path"] for each in engine.builds] == [
        str(root / "images" / folder) for folder in ("base", "one", "two")
    ]
    assert [each["buildargs"] for each in engine.builds] == [{}, {"BASE": base}, {"BASE": base}]


def test_what_is_there_already_is_not_built_again(engine: Any, root: Path) -> None:
    build(engine, root, Steps())
    engine.builds.clear()
    (root / "images" / "two" / "Dockerfile").write_text("FROM scratch\n# changed\n")
    names = build(engine, root, Steps())
    assert [each["tag"] for each in engine.builds] == [names["two"]]


def test_a_build_that_fails_is_one_error_with_the_end_of_what_it_said(
    engine: Any, root: Path
) -> None:
    engine.api.build = lambda **_: iter(
        [{"stream": "Step 3/9\n"}, {"error": "the command returned a non-zero code: 100"}]
    )
    with pytest.raises(OperationFailed, match=r"does not build: .* code: 100") as caught:
        build(engine, root, Steps())
    assert caught.value.details == ("Step 3/9",)


def test_an_image_is_looked_into_without_a_network_and_without_rights(
    engine: Any, root: Path
) -> None:
    engine.output = json.dumps(TOLD).encode()
    names = build(engine, root, Steps())
    found = look_into(engine, "one", names["one"], engine.images.get(names["base"]))
    assert (found.size, found.own_size) == (5100, 5000)
    assert found.numbers() == "1 Debian, 1 Python"
    (ran,) = engine.ran
    assert ran["network_mode"] == "none"
    assert ran["read_only"] is True
    assert engine.removed == 1
    assert ran["cap_drop"] == ["ALL"]
    assert ran["image"] == engine.built[names["one"]].id
    assert ran["command"][:2] == ["python3", "-c"]
    assert "volumes" not in ran


def test_an_image_that_does_not_tell_is_an_error_with_what_it_said(engine: Any, root: Path) -> None:
    engine.errors = b"Traceback\nno such program\n"
    names = build(engine, root, Steps())
    with pytest.raises(OperationFailed, match="what is in it cannot be told") as caught:
        look_into(engine, "one", names["one"], engine.images.get(names["base"]))
    assert caught.value.details == ("Traceback", "no such program")
    assert engine.removed == 1


def test_build_shows_sizes_and_packages_and_writes_a_bill_for_each(
    run: Any, tmp_path: Path
) -> None:
    shown = run("build", "-o", str(tmp_path / "bills" / "of-today"))
    (line,) = [each for each in shown.splitlines() if each.startswith("two ")]
    assert re.fullmatch(
        r"two +selfmonitor/two:[0-9a-f]{12} +5\.0 KiB +4\.9 KiB +1 Debian, 1 Python *", line
    )
    files = sorted((tmp_path / "bills" / "of-today").iterdir())
    assert [each.name for each in files] == ["one.spdx.json", "two.spdx.json"]
    bill = json.loads(files[1].read_text())
    assert [each["name"] for each in bill["packages"]] == ["selfmonitor/two", "libc6", "redis"]


@pytest.mark.parametrize("subcommand", ["build", "push"])
def test_a_folder_that_cannot_be_made_is_named_before_anything_is_built(
    run: Any, engine: Any, tmp_path: Path, subcommand: str
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file/bills: cannot be made: Not a directory"):
        run(subcommand, "-o", str(tmp_path / "file" / "bills"))
    assert engine.builds == []


def test_push_goes_where_the_stack_says_and_the_list_shows_it(
    run: Any, engine: Any, root: Path
) -> None:
    assert f"images.lock.json names what {REGISTRY} has now" in run("push")
    found = json.loads(run("list", "-o", "json"))["images"]
    assert [each["pushed"] for each in found] == ["yes", "yes"]
    assert {each["digest"] for each in found} == set(engine.registry.values())
    (root / "images" / "two" / "Dockerfile").write_text("FROM other\n")
    found = json.loads(run("list", "-o", "json"))["images"]
    assert [(each["pushed"], each["size_bytes"]) for each in found] == [
        ("yes", 5100),
        ("changed since", None),
    ]
    assert "not built" in run("list")


def test_without_a_lock_file_nothing_was_pushed(engine: Any, root: Path) -> None:
    assert [each["pushed"] for each in described(engine, root)] == ["no", "no"]


def test_the_registry_on_the_command_line_comes_first(project: Project) -> None:
    assert chosen(project, None) == REGISTRY
    assert chosen(project, "127.0.0.1:5000/x") == "127.0.0.1:5000/x"


@pytest.mark.parametrize("registry", ["", "https://registry.example.com", "Registry/x", "a/b:tag"])
def test_what_is_no_registry_is_refused_before_anything_is_built(
    project: Project, registry: str
) -> None:
    with pytest.raises(UserError, match="is none: a host, a port if need be and a path"):
        chosen(project, registry)


def test_a_stack_that_names_no_registry_says_what_to_do(project: Project) -> None:
    with pytest.raises(UserError, match=r"stack local names no kubernetes\.registry: .*--registry"):
        chosen(Project(project.root, "local"), None)


def test_a_registry_that_is_to_be_filled_in_is_not_pushed_to() -> None:
    with pytest.raises(UserError, match=r"of stack production is still fill-in\.invalid/"):
        chosen(Project(ROOT, "production"), None)
