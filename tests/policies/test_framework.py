"""What controls are made of: values, joins, environments, settings, discovery."""

import ast
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from pulumi_policy.proxy import unknown_checking_proxy

from policies import environment, pack
from policies.contract import CONTROLS, Level
from policies.discover import controls
from policies.environment import ConfigurationError
from policies.evaluate import Registration, evaluate, read_configuration
from policies.parameters import Parameter
from policies.resources import Resource, Stack, is_of
from policies.values import Unknown, UnknownUsedError, plain
from policy_spec import UNKNOWN, resource
from policy_stacks import ROOT

PACK = ROOT / "policies"
BUCKET = "aws:s3/bucket:Bucket"


@pytest.mark.parametrize(
    "use",
    [
        bool,
        len,
        list,
        str,
        int,
        hash,
        lambda value: value == "Enabled",
        lambda value: value != "Enabled",
        lambda value: value > 3,
        lambda value: "ALL" in value,
        lambda value: value in ("a", "b"),
        lambda value: value["key"],
        lambda value: value.get("key"),
        lambda value: f"{value}",
        lambda value: json.dumps({value: 1}),
    ],
)
def test_whoever_asks_what_an_unknown_value_is_hears_that_it_is_not_known(use: Any) -> None:
    with pytest.raises(UnknownUsedError) as raised:
        use(Unknown("a.b[0]"))
    assert raised.value.path == "a.b[0]"


def test_values_of_the_sdk_become_plain_ones_with_their_paths() -> None:
    given = unknown_checking_proxy(
        {"a": [{"b": UNKNOWN}, 3.0, 2.5], "c": {"d": UNKNOWN}, "e": None}
    )
    found = plain(given)
    assert found["a"][0]["b"].path == "a[0].b"
    assert found["c"]["d"].path == "c.d"
    assert found["a"][1:] == [3, 2.5]
    assert isinstance(found["a"][1], int)
    assert found["e"] is None
    assert type(found) is dict


def test_a_value_inside_of_what_is_not_known_is_not_known_either() -> None:
    owner = Resource("t", "n", "u", {"a": Unknown("a"), "b": {"c": 1}})
    assert isinstance(owner.get("a.b.c"), Unknown)
    assert owner.get("b.c") == 1
    assert owner.get("b.c.d") is None
    assert owner.get("x.y") is None


def test_types_are_exact_or_patterns() -> None:
    assert is_of("kubernetes:apps/v1:StatefulSet", ("kubernetes:*:StatefulSet",))
    assert not is_of("kubernetes:apps/v1:StatefulSetList", ("kubernetes:*:StatefulSet",))
    assert not is_of("aws:kms/keyPolicy:KeyPolicy", ("aws:kms/key:Key",))


def bucket_of(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = plain(unknown_checking_proxy({"bucket": value}))
    return found


@pytest.mark.parametrize(
    ("bucket", "written", "recorded", "found", "possible"),
    [
        ("b", "b", (), 1, 0),
        ("b", "c", (), 0, 0),
        ("b", "c", ("urn:b",), 0, 0),
        ("b", UNKNOWN, ("urn:b",), 1, 0),
        ("b", UNKNOWN, (), 0, 1),
        ("b", UNKNOWN, ("urn:other",), 0, 0),
        ("b", UNKNOWN, ("urn:b", "urn:other"), 0, 1),
        (None, UNKNOWN, ("urn:b",), 1, 0),
        (None, "made-up", ("urn:b",), 1, 0),
        (None, "made-up", (), 0, 0),
        (UNKNOWN, "b", ("urn:b",), 1, 0),
        ("b", None, (), 0, 0),
    ],
)
def test_resources_are_joined_by_what_is_written_or_recorded(
    bucket: Any, written: Any, recorded: Any, found: int, possible: int
) -> None:
    target = Resource("bucket", "b", "urn:b", bucket_of(bucket))
    sidecar = Resource("side", "s", "urn:s", bucket_of(written), references={"bucket": recorded})
    stack = Stack([target, sidecar])
    joined = stack.referring(target, ("side",), "bucket", ("bucket",))
    assert (len(joined.found), len(joined.possible)) == (found, possible)


@pytest.mark.parametrize(
    ("stack", "configured", "expected"),
    [
        ("local", None, "local"),
        ("staging", None, "staging"),
        ("shop", None, "production"),
        ("", None, "production"),
        ("shop", "local", "local"),
    ],
)
def test_an_environment_is_configured_or_the_stacks_name_or_the_strictest(
    stack: str, configured: str | None, expected: str
) -> None:
    assert environment.environment_of(stack, configured) == expected
    variables = {"PULUMI_STACK": stack}
    if configured:
        variables["PULUMI_CONFIG"] = json.dumps({environment.KEY: configured})
    assert environment.environment_of_process(variables) == expected


def test_defaults_and_enforcement_are_those_of_the_environment() -> None:
    per = environment.PerEnvironment(1, 7, 30)
    assert [per.of(each) for each in environment.ENVIRONMENTS] == [1, 7, 30]
    days = Parameter("integer", per, "Days.", minimum=1)
    assert days.schema("staging") == {
        "type": "integer",
        "minimum": 1,
        "description": "Days.",
        "default": 7,
    }
    for each in environment.ENVIRONMENTS:
        for control, policy in zip(controls(), pack.policies(each), strict=True):
            assert policy.name == control.id
            assert policy.enforcement_level.value == control.enforcement.of(each).value


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        ({"aws-key-rotatoin": "advisory"}, "aws-key-rotatoin: there is no such control"),
        (
            {"aws-key-rotation": "loud"},
            "aws-key-rotation: enforcementLevel must be one of: advisory, mandatory, disabled",
        ),
        ({"all": "loud"}, "all: enforcementLevel must be one of: advisory, mandatory, disabled"),
        (
            {"aws-key-rotation": {"days": 3}},
            "aws-key-rotation: there is no setting days; there are: excused, maximum_days",
        ),
        (
            {"aws-key-rotation": {"maximum_days": "365"}},
            "aws-key-rotation: maximum_days must be a whole number",
        ),
        (
            {"aws-key-rotation": {"maximum_days": 3}},
            "aws-key-rotation: maximum_days must be at least 90",
        ),
        (
            {"docker-bind-addresses": {"addresses": "127.0.0.1"}},
            "docker-bind-addresses: addresses must be a list of texts",
        ),
        (
            {"any-protected": {"excused": {"logs": ""}}},
            "any-protected: excused must give a reason for each name: {name: reason}",
        ),
    ],
)
def test_a_wrong_configuration_is_one_error_that_names_it(configuration: Any, message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        evaluate([], "local", configuration)
    assert str(raised.value) == message


def test_a_wrong_environment_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="there is no environment prod; there are: local"):
        evaluate([], "local", environment="prod")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "config.json: cannot be read: No such file or directory"),
        ("{", "config.json: is not valid JSON: "),
        ("[]", "config.json: expected {control: level or settings}"),
        ('{"all": 3}', "config.json: expected {control: level or settings}"),
    ],
)
def test_a_file_that_is_no_configuration_is_one_error(
    text: str | None, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "config.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigurationError) as raised:
        read_configuration(file)
    assert str(raised.value).startswith(message)


def test_the_level_of_all_yields_to_that_of_one() -> None:
    bucket = resource(BUCKET, "vault", {"bucket": "acme"})
    found = evaluate([bucket], "shop", {"all": "advisory", "any-protected": "mandatory"})
    levels = {each.control: each.mandatory for each in found.violations}
    assert levels["any-protected"] is True
    assert levels["aws-bucket-versioning"] is False


def test_a_secret_is_read_and_never_shown() -> None:
    """The policy SDK hands secrets out in the clear."""
    marked = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
    context = {"securityContext": {**marked, "value": {"runAsNonRoot": "hunter2-hunter2"}}}
    pod = Registration(
        "kubernetes:core/v1:Pod",
        "shell",
        "urn:pulumi:local::shop::kubernetes:core/v1:Pod::shell",
        {"spec": {"containers": [context]}},
    )
    texts = [each.text for each in evaluate([pod], "local").violations]
    assert any("runAsNonRoot is not true" in each for each in texts)
    assert "hunter2" not in "".join(texts)


def test_controls_are_the_modules_in_their_folders() -> None:
    files = {
        f"{file.parent.name}.{file.stem}"
        for file in (PACK / "controls").glob("*/*.py")
        if file.stem != "__init__"
    }
    assert {each.module.removeprefix(CONTROLS) for each in controls()} == files
    assert all(isinstance(each.enforcement.of("production"), Level) for each in controls())


def test_the_pack_needs_nothing_of_this_project() -> None:
    allowed = {"policies", "pulumi", "pulumi_policy", "google", "yaml", *sys.stdlib_module_names}
    for file in PACK.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [each.name for each in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert {each.partition(".")[0] for each in names} <= allowed, file
