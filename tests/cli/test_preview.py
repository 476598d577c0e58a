"""preview: what it shows, what it asks, and how it ends."""

import dataclasses
import json
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli import __main__ as entry
from cli import preview_markdown
from cli.apply import Plan
from cli.errors import OperationFailed, UserError
from cli.preview import preview
from cli.project import Project
from policies.evaluate import Evaluation, Violation
from standalone.plan import Action, Change, Step

SECRET = "hunter2-hunter2"
ROTATES = "enableKeyRotation is not true"
PROGRAM = f"""
import pulumi
import pulumi_aws as aws

aws.kms.Key(
    "vault-key",
    enable_key_rotation=ROTATES,
    description=pulumi.Output.secret("{SECRET}"),
    opts=pulumi.ResourceOptions(protect=True),
)
pulumi.log.warn("something is still to be filled in")
"""
ON_KUBERNETES = {
    "platform": "kubernetes",
    "kubernetes": {
        "namespace": "ledger",
        "clients": [{"network": "10.20.0.0/16"}],
        "client_names": ["db.example.com"],
    },
}


@dataclass
class Ended:
    status: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture
def no_cli(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Pulumi CLI, and nobody who may be asked."""
    monkeypatch.setattr("shutil.which", lambda name: None)
    for asked in ("cli.host.docker_engine.connect", "socket.create_connection"):
        monkeypatch.setattr(asked, lambda *_, **__: pytest.fail("it was asked"))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A small one: one key, in a stack called shop."""
    (tmp_path / "__main__.py").write_text(PROGRAM.replace("ROTATES", "False"))
    (tmp_path / "Pulumi.yaml").write_text("name: selfmonitor\nruntime: python\n")
    (tmp_path / "Pulumi.shop.yaml").write_text("config:\n  selfmonitor:platform: kubernetes\n")
    found = Project(tmp_path, "shop")
    configured(found, {})
    return found


@pytest.fixture
def run(project: Project, capsys: pytest.CaptureFixture[str]) -> Run:
    def of(*arguments: str) -> Ended:
        status = preview.main(list(arguments), obj=project, standalone_mode=False)
        captured = capsys.readouterr()
        assert isinstance(status, int)
        return Ended(status, captured.out, captured.err)

    return of


def configured(project: Project, configuration: Any) -> None:
    """One control alone, so that what others say of a single key does not matter here."""
    one = {"all": "disabled", "aws-key-rotation": {"enforcementLevel": "mandatory"}}
    (project.root / "policy-config.json").write_text(json.dumps({**one, **configuration}))


@pytest.mark.usefixtures("no_cli")
def test_what_a_policy_forbids_is_shown_with_its_remedy_and_the_status_is_1(run: Run) -> None:
    found = run()
    assert found.status == 1
    assert "aws-key-rotation  mandatory\n  Keys rotate: the longer" in found.out
    assert f"Key vault-key: {ROTATES}. Set enableKeyRotation: true" in found.out
    assert "1 register\n" in found.out
    assert "compared with nothing" in found.out
    assert "warning: something is still to be filled in" in found.out
    assert found.out.splitlines()[-1].endswith("as production): 1 violation forbids it")


@pytest.mark.usefixtures("no_cli")
def test_advice_is_shown_and_the_status_is_0(run: Run, project: Project) -> None:
    configured(project, {"aws-key-rotation": "advisory"})
    found = run()
    assert found.status == 0
    assert ROTATES in found.out
    assert found.out.splitlines()[-1].endswith("as production): 1 piece of advice")


@pytest.mark.usefixtures("no_cli")
def test_what_is_right_has_the_status_0(run: Run, project: Project) -> None:
    (project.root / "__main__.py").write_text(PROGRAM.replace("ROTATES", "True"))
    found = run("-o", "markdown")
    assert found.status == 0
    assert "## ✅ Preview of shop" in found.out
    assert "nothing to say against it" in found.out


@pytest.mark.usefixtures("no_cli")
def test_the_comment_names_the_control_the_requirement_the_value_and_the_remedy(run: Run) -> None:
    found = run("-o", "markdown")
    assert found.status == 1
    assert found.out.startswith("<!-- selfmonitor preview of shop -->\n## ❌ Preview of shop\n")
    assert "### ❌ Keys rotate\n`aws-key-rotation`, mandatory, severity high, PCI DSS" in found.out
    assert f"- Key vault-key: {ROTATES}.\n" in found.out
    assert "**How to mend it:** Set enableKeyRotation: true" in found.out
    assert "| Key | 1 | vault-key |" in found.out
    assert "> ⚠️ something is still to be filled in" in found.out


@pytest.mark.usefixtures("no_cli")
def test_programs_read_json(run: Run) -> None:
    found = run("-o", "json")
    assert found.status == 1
    said = json.loads(found.out)
    assert said["compared"] is False
    assert said["steps"] == [
        {"action": "register", "kind": "Key", "name": "vault-key", "reason": ""}
    ]
    assert said["policies"]["environment"] == "production"
    assert said["policies"]["blocks"] is True
    (violation,) = said["policies"]["violations"]
    assert (violation["control"], violation["resource"]) == ("aws-key-rotation", "vault-key")


@pytest.mark.usefixtures("no_cli")
@pytest.mark.parametrize("output", ["text", "json", "markdown"])
def test_no_secret_is_shown(run: Run, output: str) -> None:
    found = run("-o", output, "--all")
    assert SECRET not in found.out + found.err


@pytest.mark.usefixtures("no_cli")
@pytest.mark.parametrize(
    ("configuration", "stack_file", "message"),
    [
        ({"aws-key-rotatoin": "advisory"}, {}, "aws-key-rotatoin: there is no such control"),
        (
            {"aws-key-rotation": {"maximum_days": 1}},
            {},
            "aws-key-rotation: maximum_days must be at least 90",
        ),
        ({}, {"policies:environment": "prod"}, "there is no environment prod"),
    ],
)
def test_a_wrong_setting_of_the_policies_is_the_callers_mistake(
    run: Run, project: Project, configuration: Any, stack_file: dict[str, str], message: str
) -> None:
    configured(project, configuration)
    content = {"config": {"selfmonitor:platform": "kubernetes", **stack_file}}
    (project.root / "Pulumi.shop.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=message):
        run()


@pytest.mark.usefixtures("no_cli")
def test_a_program_that_refuses_its_settings_is_the_callers_mistake(
    run: Run, project: Project
) -> None:
    (project.root / "__main__.py").write_text("import pulumi\nraise pulumi.RunError('no lock')\n")
    with pytest.raises(UserError, match="no lock"):
        run()


@pytest.mark.usefixtures("no_cli")
def test_an_environment_can_be_said_for_a_stack_of_another_name(run: Run, project: Project) -> None:
    content = {"config": {"platform": "kubernetes", "policies:environment": "staging"}}
    (project.root / "Pulumi.shop.yaml").write_text(yaml.safe_dump(content))
    assert "as staging): 1 violation forbids it" in run().out


@pytest.mark.usefixtures("no_cli")
def test_this_projects_own_stack_is_previewed_without_anybody_being_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["selfmonitor", "preview", "--stack", "local", "--offline", "-o", "markdown"]
    monkeypatch.setattr("sys.argv", given)
    assert entry.run() == 0
    said = capsys.readouterr().out
    assert "## ✅ Preview of local" in said
    assert "| Container | " in said


@pytest.mark.usefixtures("no_cli")
def test_its_stack_on_kubernetes_is_too_and_wants_its_images_by_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "Pulumi.staging.yaml"
    file.write_text(yaml.safe_dump({"config": ON_KUBERNETES}))
    given = ["selfmonitor", "--config-file", str(file), "preview", "--stack", "staging"]
    monkeypatch.setattr("sys.argv", [*given, "-o", "markdown"])
    assert entry.run() == 1
    said = capsys.readouterr().out
    assert "## ❌ Preview of staging" in said
    assert "| StatefulSet | " in said
    assert "`kubernetes-images-by-digest`, mandatory" in said


def test_offline_nobody_is_asked_who_could_be(
    run: Run, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    for asked in ("subprocess.run", "cli.host.docker_engine.connect", "socket.create_connection"):
        monkeypatch.setattr(asked, lambda *_, **__: pytest.fail("it was asked"))
    for platform in ("kubernetes", "docker"):
        (project.root / "Pulumi.shop.yaml").write_text(f"config:\n  platform: {platform}\n")
        # What was read of the stack file before is kept.
        vars(project).pop("configuration", None)
        found = run("--offline")
        assert found.status == 1
        assert "compared with nothing" in found.out


# With the Pulumi CLI.

LOG = [
    {"diagnosticEvent": {"severity": "warning", "message": "<{%fg 3%}>careful<{%reset%}>\n"}},
    {"resourcePreEvent": {"metadata": {"op": "create", "type": "pulumi:pulumi:Stack", "urn": "u"}}},
    *(
        {"resourcePreEvent": {"metadata": {"urn": f"urn:pulumi:shop::p::{kind}::{name}", **more}}}
        | {"type": kind}
        for kind, name, more in [
            (
                "aws:s3/bucket:Bucket",
                "logs",
                {"op": "create", "type": "aws:s3/bucket:Bucket", "new": {"custom": True}},
            ),
            (
                "aws:kms/key:Key",
                "vault-key",
                {
                    "op": "update",
                    "type": "aws:kms/key:Key",
                    "new": {"custom": True},
                    "detailedDiff": {
                        'tags["hunter2 | x"]': {"diffKind": "update"},
                        "spec.template.spec.containers[0].image": {"diffKind": "add"},
                    },
                },
            ),
            (
                "a:b:C",
                "old",
                {
                    "op": "replace",
                    "type": "a:b:C",
                    "new": {"custom": True},
                    "detailedDiff": {
                        "name": {"diffKind": "update-replace"},
                        "labels": {"diffKind": "update"},
                    },
                },
            ),
            (
                "a:b:C",
                "old",
                {"op": "create-replacement", "type": "a:b:C", "new": {"custom": True}},
            ),
            ("a:b:C", "gone", {"op": "delete", "type": "a:b:C", "old": {"custom": True}}),
            ("a:b:C", "kept", {"op": "same", "type": "a:b:C", "new": {"custom": True}}),
            (
                "pulumi:providers:aws",
                "default",
                {"op": "create", "type": "pulumi:providers:aws", "new": {"custom": True}},
            ),
        ]
    ),
]
VIOLATION = {
    "policyEvent": {
        "resourceUrn": "urn:pulumi:shop::p::aws:kms/key:Key::vault-key",
        "message": (
            "Keys rotate: the longer one key is used, the more is lost with it\n"
            "Key vault-key: enableKeyRotation is not true. Set enableKeyRotation: true, and "
            "rotationPeriodInDays to the key's cryptoperiod or less.\n"
        ),
        "policyName": "aws-key-rotation",
        "enforcementLevel": "mandatory",
    }
}
WAITS = {
    "policyEvent": {
        "message": (
            "can't run policy 'aws-key-rotation' from policy pack 'selfmonitor@v0.1.0' during "
            "preview: Key k: enableKeyRotation is not known yet"
        ),
        "policyName": "aws-key-rotation",
        "enforcementLevel": "advisory",
    }
}
PULUMI = """#!{python}
import json, os, stat, sys
arguments = sys.argv[1:]
with open("{calls}", "a") as calls:
    print(json.dumps(arguments), file=calls)
print("its own display")
if arguments[0] == "preview":
    assert os.environ["PULUMI_DEBUG_COMMANDS"] == "true"
    log = arguments[arguments.index("--event-log") + 1]
    assert stat.S_IMODE(os.stat(os.path.dirname(log)).st_mode) == 0o700
    with open("{log}") as events, open(log, "w") as to:
        to.write(events.read())
    sys.exit({status})
"""


@dataclass
class Cli:
    """A program called pulumi, which notes how it was called."""

    folder: Path

    def will(self, *events: Any, status: int = 0, cut: str = "") -> None:
        lines = "\n".join(json.dumps(each) for each in events)
        (self.folder / "log").write_text(f"{lines}\n{cut}")
        program = self.folder / "pulumi"
        program.write_text(
            PULUMI.format(
                python=sys.executable,
                calls=self.folder / "calls",
                log=self.folder / "log",
                status=status,
            )
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    @property
    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]


@pytest.fixture
def cli(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Cli:
    folder = tmp_path_factory.mktemp("bin")
    monkeypatch.setenv("PATH", str(folder))
    return Cli(folder)


def test_the_cli_runs_the_pack_with_what_this_project_excuses(
    cli: Cli, run: Run, project: Project
) -> None:
    cli.will(*LOG)
    assert run().status == 0
    (select, asked) = cli.calls
    assert select[:2] == ["stack", "select"]
    assert asked[0] == "preview"
    for option, value in (
        ("--policy-pack", project.root / "policies"),
        ("--policy-pack-config", project.root / "policy-config.json"),
        ("--stack", "shop"),
    ):
        assert asked[asked.index(option) + 1] == str(value)
    assert not Path(asked[asked.index("--event-log") + 1]).parent.exists()


def test_what_the_cli_tells_is_the_plan_with_its_reasons(cli: Cli, run: Run) -> None:
    cli.will(*LOG)
    said = json.loads(run("-o", "json").out)
    assert said["compared"] is True
    assert [tuple(each.values()) for each in said["steps"]] == [
        ("create", "Bucket", "logs", ""),
        ("update", "Key", "vault-key", "spec.template, tags changed"),
        ("replace", "C", "old", "name changed"),
        ("delete", "C", "gone", ""),
        ("unchanged", "C", "kept", ""),
    ]
    assert said["warnings"] == ["careful"]
    comment = run("-o", "markdown").out
    assert (
        "**1 to delete**, **1 to replace**, **1 to update**, **1 to create**, 1 unchanged<br>"
        in (comment)
    )
    assert "| C | old | name changed |" in comment
    assert "hunter2" not in comment
    assert "compared with nothing" not in comment


def test_what_the_pack_said_to_the_cli_is_shown_and_the_status_is_1(cli: Cli, run: Run) -> None:
    cli.will(*LOG, VIOLATION, WAITS, status=255)
    found = run("-o", "markdown")
    assert found.status == 1
    assert f"- Key vault-key: {ROTATES}.\n" in found.out
    assert "- `aws-key-rotation` waits: Key k: enableKeyRotation is not known yet" in found.out
    assert "its own display" not in found.out


def test_a_cli_that_fails_otherwise_is_no_violation(cli: Cli, run: Run) -> None:
    broken = {"diagnosticEvent": {"severity": "error", "message": "no credentials\n"}}
    cli.will(*LOG, broken, status=255, cut='{"sequence": 12, "diagn')
    with pytest.raises(OperationFailed, match="pulumi preview failed") as raised:
        run("-o", "markdown")
    assert raised.value.details == ("no credentials",)


def test_what_the_cli_would_pass_over_is_refused_before_it_is_called(
    cli: Cli, run: Run, project: Project
) -> None:
    cli.will(*LOG)
    configured(project, {"aws-key-rotatoin": "advisory"})
    with pytest.raises(UserError, match="there is no such control"):
        run()
    assert not (cli.folder / "calls").exists()


# The comment.


def violation(number: int, text: str = "is wrong") -> Violation:
    urn = f"urn:pulumi:shop::p::a:b:C::r{number}"
    return Violation("made-up", urn, f"A title: a reason\nC r{number}: it {text}. Mend it.", True)


def test_a_comment_is_no_longer_than_github_takes_and_says_what_is_left_out() -> None:
    steps = tuple(Step("C", f"resource-{n}", Change(Action.CREATE)) for n in range(3000))
    few = Plan(steps, Evaluation((violation(1),), ()))
    many = Plan(steps, Evaluation(tuple(map(violation, range(3000))), ()))
    for plan in (few, many):
        said = preview_markdown.comment("shop", "production", plan)
        assert len(said) <= preview_markdown.LONGEST
        assert said.count("<details") == said.count("</details>")
    said = preview_markdown.comment("shop", "production", few)
    assert "lines more: `-o text` shows them all" in said
    said = preview_markdown.comment("shop", "production", many)
    assert said.count("- C r") == 20
    assert "- and 2980 more" in said


def test_of_too_many_violations_all_are_counted() -> None:
    found = [
        dataclasses.replace(violation(n, "x" * 200), control=f"control-{n}") for n in range(400)
    ]
    said = preview_markdown.comment("shop", "production", Plan((), Evaluation(tuple(found), ())))
    assert len(said) <= preview_markdown.LONGEST
    assert "400 violations forbid it" in said
    assert "lines more**: `./selfmonitor preview --stack shop`" in said


@pytest.mark.parametrize(
    "text",
    [
        "a | b",
        "</details><script>",
        "![x](https://example.com/x.png)",
        "**bold**",
        "`code`",
        "two\n\n# lines",
    ],
)
def test_names_are_no_markdown(text: str) -> None:
    plan = Plan((Step("C", text, Change(Action.CREATE)),), Evaluation((violation(1, text),), ()))
    said = preview_markdown.comment("shop", "production", plan)
    assert text not in said
    rows = [line for line in said.splitlines() if line.startswith("| C |")]
    assert len(rows) == 1
    assert "<script>" not in said


def test_nobody_is_called_by_a_comment() -> None:
    plan = Plan((Step("C", "@everybody", Change(Action.CREATE)),), Evaluation((), ()))
    assert "@everybody" not in preview_markdown.comment("shop", "production", plan)
