"""Pages made of the controls and their specs are those of today's."""

import re
from pathlib import Path

import mutation_report
from mutants import Outcome, mutations
from policies import matrix
from policies.contract import Control, Level, ResourceControl, Severity, WhenUnknown
from policies.discover import controls
from policies.environment import PerEnvironment
from policies.evaluate import read_configuration
from policies.frameworks import REQUIREMENTS
from policy_spec import Mutation, edit
from policy_stacks import ROOT

COMPLIANCE = ROOT / "docs" / "compliance.md"
REPORT = ROOT / "docs" / "policy-mutations.md"


def cells(text: str) -> list[list[str]]:
    """Rows of all tables."""
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def test_the_compliance_matrix_is_of_today() -> None:
    made = matrix.matrix(read_configuration(ROOT / "policy-config.json"))
    assert COMPLIANCE.read_text() == f"{made}\n", f"it is stale: {matrix.COMMAND}"


def test_the_mutation_report_is_of_the_mutations_there_are() -> None:
    """What came of them is tested anew each time: here that the page tells of the same ones."""
    text = REPORT.read_text()
    found = []
    for part in text.split("\n## ")[1:]:
        control = part.partition("\n")[0]
        found += [(control, row) for row in cells(part)[1:]]
    told = [(control, row[0].replace("\\|", "|"), row[3]) for control, row in found]
    expected = [(control, what, control) for control, what in mutations()]
    assert told == expected, f"it is stale: {mutation_report.COMMAND}"
    assert {row[2] for row in cells(text.partition("\n## ")[0])[1:]} == {"none"}


def test_each_control_has_a_mutation() -> None:
    assert {control for control, _ in mutations()} == {each.id for each in controls()}


def test_every_requirement_is_served_or_listed_as_not(monkeypatch) -> None:
    only = ResourceControl(
        module="policies.controls.aws.made_up",
        title="A title",
        why="a reason",
        mend="A remedy.",
        references=("PCI DSS 4.0.1 3.7.4", "PCI DSS 4.0.1 3.7.5"),
        severity=Severity.HIGH,
        types=("aws:kms/key:Key",),
        when_unknown=WhenUnknown.DEFER,
        enforcement=PerEnvironment(Level.ADVISORY, Level.MANDATORY, Level.MANDATORY),
        check=lambda resource, settings: (),
    )
    monkeypatch.setattr(matrix, "controls", lambda: (only,))
    made = matrix.matrix({"aws-made-up": {"excused": {"old-key": "goes next month"}}})
    served, left = made.split("### PCI DSS 4.0.1: served by no control")
    rows = cells(served.partition("## PCI DSS 4.0.1")[2])
    assert [row[0] for row in rows[1:]] == ["3.7.4", "3.7.5"]
    assert "mandatory (local: advisory), at preview and up; waits" in rows[1][3]
    assert "tests/policies/specs/aws/made_up.py" in rows[1][4]
    not_served = {row[0] for row in cells(left.partition("\n## ")[0])[1:]}
    assert not_served == REQUIREMENTS["PCI DSS 4.0.1"].keys() - {"3.7.4", "3.7.5"}
    assert "GDPR: served by no control" in made
    assert "| aws-made-up | excused: `old-key` | goes next month |" in made


def test_links_of_the_compliance_matrix_lead_somewhere() -> None:
    for link in re.findall(r"\]\(([^)#]+)", COMPLIANCE.read_text()):
        assert (COMPLIANCE.parent / link).exists(), link


def control_named(name: str) -> Control:
    return next(each for each in controls() if each.id == name)


def test_a_control_that_did_not_notice_stands_out(monkeypatch) -> None:
    monkeypatch.setattr(mutation_report, "controls", lambda: (control_named("aws-key-rotation"),))
    key = ("aws-key-rotation", "a | b")
    change: Mutation = edit("production", "components/aws/key.py", "x |\n  `y`", "")
    row = ["a \\| b", "production", "`components/aws/key.py`: `x \\| y` → nothing"]
    for fired, shown in (
        ({}, ["**none**", "0"]),
        ({"aws-key-rotation": ["k", "k", "l"]}, ["aws-key-rotation", "2"]),
        ({"aws-key-rotation": ["k"], "any-x": ["k"]}, ["**any-x, aws-key-rotation**", "1"]),
    ):
        outcome = Outcome(*key, fired, [])
        text = "\n".join(mutation_report.report({}, [outcome], {key: change}))
        assert [re.sub(r"\s+", " ", cell) for cell in cells(text)[-1]] == [
            re.sub(r"\s+", " ", cell) for cell in [*row, *shown]
        ]
        right = 1 if fired.keys() == {"aws-key-rotation"} else 0
        assert f"fired in {right} of 1" in text


def test_pages_name_nothing_of_the_machine_they_were_made_on() -> None:
    for page in (COMPLIANCE, REPORT):
        assert str(Path.home()) not in page.read_text()
        assert str(ROOT) not in page.read_text()
