"""The workflows, read as data: what they may do, whose code they run, and that it is there."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from cli.__main__ import main

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))
PINNED = re.compile(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
# What a job may hold, and what it is for.
ALLOWED = {
    ("preview", "policies"): {"contents": "read"},
    ("preview", "preview"): {"contents": "read", "id-token": "write"},
    ("preview", "comment"): {"pull-requests": "write"},
    ("up", "up"): {"contents": "read", "id-token": "write"},
}
# Of the Pulumi CLI, whose options nothing here can ask for: as tried with it.
PULUMI = {
    "refresh": {
        "--preview-only",
        "--expect-no-changes",
        "--yes",
        "--diff",
        "--non-interactive",
        "--stack",
    },
    "up": {
        "--yes",
        "--diff",
        "--non-interactive",
        "--stack",
        "--policy-pack",
        "--policy-pack-config",
    },
}


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yml").read_text())
    # YAML 1.1 reads the key `on` as true.
    found["on"] = found.pop(True)
    return found


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for file in FILES:
        for name, job in read(file.stem)["jobs"].items():
            yield file.stem, name, job


def steps() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for workflow, name, job in jobs():
        for step in job["steps"]:
            yield workflow, name, step


def step_of(workflow: str, job: str, name: str) -> dict[str, Any]:
    (found,) = [
        each
        for each in read(workflow)["jobs"][job]["steps"]
        if name in (each.get("name"), each.get("id"), each.get("uses", "").partition("@")[0])
    ]
    return found


def commands() -> Iterator[list[str]]:
    """Every command of every run line, as words."""
    for *_, step in steps():
        for line in step.get("run", "").splitlines():
            yield shlex.split(line)


def test_there_are_those_that_are_tested() -> None:
    assert [file.stem for file in FILES] == ["preview", "up"]
    assert {(workflow, job) for workflow, job, _ in jobs()} == ALLOWED.keys()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_action_is_pinned_to_a_commit_and_says_of_which_version(file: Path) -> None:
    lines = [line.strip(" -") for line in file.read_text().splitlines() if "uses:" in line]
    assert lines
    for line in lines:
        assert PINNED.fullmatch(line), line


def test_one_version_of_an_action_is_used_everywhere() -> None:
    used = {step["uses"] for *_, step in steps() if "uses" in step}
    assert len({each.partition("@")[0] for each in used}) == len(used)


def test_a_job_has_the_rights_it_needs_and_no_other() -> None:
    for file in FILES:
        assert read(file.stem)["permissions"] == {}
    for workflow, name, job in jobs():
        assert job["permissions"] == ALLOWED[workflow, name]


def test_every_job_ends_and_none_overtakes_another() -> None:
    for _, name, job in jobs():
        assert 0 < job["timeout-minutes"] <= 120, name
    preview, up = read("preview")["concurrency"], read("up")["concurrency"]
    assert preview["cancel-in-progress"] is True
    assert "pull_request.number" in preview["group"]
    assert up == {"group": "up", "cancel-in-progress": False}


def test_a_strangers_code_never_runs_with_rights() -> None:
    on = read("preview")["on"]
    assert on.keys() == {"pull_request"}
    found = read("preview")["jobs"]
    own = "github.event.pull_request.head.repo.full_name == github.repository"
    for name, job in found.items():
        if "write" in job["permissions"].values():
            assert own in job["if"], name
            assert "||" not in job["if"]
    # What may write to the pull request runs none of its code.
    assert [step.get("uses", "").partition("@")[0] for step in found["comment"]["steps"]] == [
        "actions/github-script"
    ]
    assert "environment" not in found["policies"]
    assert not any("vars." in str(step) for step in found["policies"]["steps"])


def test_what_applies_runs_what_was_merged_alone() -> None:
    on = read("up")["on"]
    assert on["push"] == {"branches": ["main"]}
    assert on.keys() == {"push", "workflow_dispatch"}


def test_there_are_no_long_lived_keys() -> None:
    for file in FILES:
        assert "secrets." not in file.read_text()
    for workflow, name, job in jobs():
        if "id-token" in job["permissions"]:
            given = step_of(workflow, name, "aws-actions/configure-aws-credentials")["with"]
            assert given["role-to-assume"] == "${{ vars.AWS_ROLE }}"
            assert not {"aws-access-key-id", "aws-secret-access-key"} & given.keys()
            assert job["environment"].endswith("${{ matrix.stack }}")


def test_nothing_is_put_into_a_script_by_its_text() -> None:
    """A branch can be called `$(command)`."""
    for workflow, name, step in steps():
        for text in (step.get("run", ""), step.get("with", {}).get("script", "")):
            assert "${{" not in text, (workflow, name)


def test_a_checkout_leaves_no_token_behind() -> None:
    for *_, step in steps():
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"] == {"persist-credentials": False}


def test_packages_are_installed_before_anybody_is_logged_in() -> None:
    for workflow, name, job in jobs():
        if "id-token" in job["permissions"]:
            found = job["steps"]
            install = found.index(step_of(workflow, name, "install"))
            log_in = found.index(step_of(workflow, name, "aws-actions/configure-aws-credentials"))
            assert install < log_in


def test_both_stacks_are_previewed_and_applied_staging_first() -> None:
    for workflow, name, job in jobs():
        if name != "comment":
            assert job["strategy"]["matrix"] == {"stack": ["staging", "production"]}, workflow
    assert read("up")["jobs"]["up"]["strategy"] | {"matrix": None} == {
        "max-parallel": 1,
        "fail-fast": True,
        "matrix": None,
    }


def test_drift_is_looked_for_before_and_the_pack_runs_with_the_up() -> None:
    names = [step.get("name") for step in read("up")["jobs"]["up"]["steps"]]
    assert names.index("drift") < names.index("up")
    drift = shlex.split(step_of("up", "up", "drift")["run"])
    assert {"--preview-only", "--expect-no-changes"} <= set(drift)
    up = shlex.split(step_of("up", "up", "up")["run"])
    assert "--skip-preview" not in up
    for option in ("--policy-pack", "--policy-pack-config"):
        assert (ROOT / up[up.index(option) + 1]).exists()


def test_the_commands_and_their_options_exist() -> None:
    seen = set()
    for words in commands():
        program, *rest = words
        if program == "./selfmonitor":
            assert rest == ["--help"]
        elif program == "pulumi":
            assert {each for each in rest[1:] if each.startswith("-")} <= PULUMI[rest[0]]
        elif program.startswith(".github/"):
            assert (ROOT / program).stat().st_mode & 0o111
            assert rest in (["$STACK"], ["$STACK", "--offline"])
        else:
            assert program in ("aws", "echo")
        seen.add(program)
    assert {"./selfmonitor", "pulumi", ".github/preview"} <= seen


def test_the_cli_is_of_the_version_of_the_sdk() -> None:
    (pinned,) = re.findall(r"^pulumi==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    for *_, step in steps():
        if step.get("uses", "").startswith("pulumi/actions@"):
            assert step["with"] == {"pulumi-version": pinned}


# The script that both jobs of a preview run.

SELFMONITOR = """#!/usr/bin/env bash
echo "$@" > called
echo "## Preview"
echo "STAGING<<x"
exit {status}
"""


@pytest.mark.parametrize("status", [0, 1, 2])
def test_a_preview_is_handed_on_and_ends_as_it_does(status: int, tmp_path: Path) -> None:
    program = tmp_path / "selfmonitor"
    program.write_text(SELFMONITOR.format(status=status))
    program.chmod(0o755)
    files = {name: tmp_path / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    done = subprocess.run(
        [str(ROOT / ".github" / "preview"), "staging", "--offline"],
        cwd=tmp_path,
        env={
            "PATH": "/usr/bin:/bin",
            "RUNNER_TEMP": str(tmp_path),
            **{name: str(path) for name, path in files.items()},
        },
        check=False,
    )
    assert done.returncode == status
    called = (tmp_path / "called").read_text().split()
    assert called == ["preview", "--stack", "staging", "-o", "markdown", "--offline"]
    command = main.get_command(click.Context(main), called[0])
    assert command is not None
    assert {"--stack", "-o", "--offline"} <= {o for each in command.params for o in each.opts}
    assert files["GITHUB_STEP_SUMMARY"].read_text() == "## Preview\nSTAGING<<x\n"
    first, *text, last = files["GITHUB_OUTPUT"].read_text().splitlines()
    name, _, end = first.partition("<<")
    assert name == "staging"
    assert text == ["## Preview", "STAGING<<x"]
    assert last == end
    assert re.fullmatch("[0-9a-f]{32}", end)
