"""What several controls read alike: schedules, secrets, files, labels."""

import random
import string

import pytest

from policies.reading import cron, files, secrets
from policies.reading.kubernetes import expendable, selects
from policies.values import Unknown, UnknownUsedError

HARMLESS: list[str] = []


@pytest.mark.parametrize(
    ("schedules", "hours"),
    [
        (["0 2 * * *"], 24),
        (["@daily"], 24),
        (["@hourly"], 1),
        (["*/15 * * * *"], 1),
        (["30 */6 * * *"], 6),
        (["0 1,13 * * *"], 12),
        (["0 1 * * 0"], 7 * 24),
        (["0 1 * * 7"], 7 * 24),
        (["0 1 * * sun"], 7 * 24),
        (["0 1 * * 1-5"], 3 * 24),
        (["0 1 * * 0", "0 1 * * 1-6"], 24),
        (["0 1 * * 0", "0 3 * * MON-SAT"], 26),
        (["0 0 1 * *"], 31 * 24),
        # Once in the time that is looked at.
        (["0 0 29 2 *"], cron.DAYS * 24),
        # Either of the two suffices, where both are given.
        (["0 0 1 * 1"], 7 * 24),
        # A star with a step is no day that is given.
        (["0 0 */2 * *"], 2 * 24),
        (["0 0 31 2 *"], None),
    ],
)
def test_the_longest_time_without_a_run(schedules: list[str], hours: float | None) -> None:
    found = cron.longest_gap_hours(schedules)
    # Within an hour, the first and the last run count.
    assert found == (hours and pytest.approx(hours, abs=0.75))


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ("", "not five fields"),
        ("0 2 * *", "not five fields"),
        ("60 * * * *", "out of range"),
        ("* * * 13 *", "out of range"),
        ("5-1 * * * *", "out of range"),
        ("*/0 * * * *", "out of range"),
        ("a * * * *", "invalid literal"),
    ],
)
def test_what_is_no_schedule_is_refused(schedule: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cron.longest_gap_hours([schedule])


def test_generated_secrets_are_recognised_by_their_shape() -> None:
    """All but two in a hundred, which have too few digits or change too seldom."""
    source = random.Random(7)
    made = ["".join(source.choices(string.ascii_letters + string.digits, k=32)) for _ in range(300)]
    missed = [each for each in made if secrets.shape(f"value {each}") is None]
    assert len(missed) <= len(made) // 50


@pytest.mark.parametrize(
    "text",
    [
        "arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-west-2.amazonaws.com/id/EXAMPLE539D4",
        "/usr/local/lib/python3.11/site-packages/pulumiKubernetesProviderVersion4",
        "sha256:055c959d7d2b1f0e3a4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f8091a2",
        "registry.example.com/team/ShopInventoryReaderVersion2FactoryBuilder",
        "https://api@db.example.com:5432/shop",
        "postgres://api:${PASSWORD}@db:5432/shop",
    ],
)
def test_what_only_looks_long_is_no_secret(text: str) -> None:
    assert secrets.shape(text) is None


def test_the_line_of_a_secret_is_said() -> None:
    text = "# password: none of these\nuser: api\npassword: hunter2\n"
    assert secrets.of_file(text, HARMLESS) == "holds a secret, as a name in line 3 says"


def test_a_file_is_data_or_nothing() -> None:
    assert files.parsed('{"a": {"b": 1}}') == {"a": {"b": 1}}
    assert files.parsed("a:\n  b: 1\n") == {"a": {"b": 1}}
    assert files.parsed("a: [b") is None
    assert files.at({"a": {"b": 1}}, "a.b") == 1
    assert files.at({"a": [1]}, "a.b") is None
    found = dict(files.mappings({"a": [{"b": {}}]}))
    assert list(found) == ["", "a[0]", "a[0].b"]


def test_yaml_makes_nothing_but_data() -> None:
    assert files.parsed("!!python/object/apply:os.getcwd []") is None


def test_no_selector_selects_nobody_and_an_empty_one_everybody() -> None:
    assert not selects(None, {"app": "db"})
    assert selects({}, {"app": "db"})
    for operator, values, expected in (
        ("In", ["db"], True),
        ("In", ["api"], False),
        ("NotIn", ["db"], False),
        ("NotIn", ["api"], True),
        ("Exists", None, True),
        ("DoesNotExist", None, False),
    ):
        expression = {"key": "app", "operator": operator, "values": values}
        assert selects({"matchExpressions": [expression]}, {"app": "db"}) is expected
    with pytest.raises(UnknownUsedError):
        selects({"matchLabels": {"app": Unknown("a")}}, {"app": "db"})


def test_a_majority_is_never_expendable_but_of_two() -> None:
    assert [expendable(count) for count in range(2, 8)] == [1, 1, 1, 2, 2, 3]
