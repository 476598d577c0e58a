"""Stack files: what the engine would hand to the program, and what comes out of it."""

import json
import typing
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
import yaml

from settings.errors import SettingsError
from settings.load import engine_configuration, from_engine, load, stack_file

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text())
    return tmp_path


def write(project: Path, text: str, stack: str = "shop") -> None:
    (project / f"Pulumi.{stack}.yaml").write_text(text)


def refusal(project: Path, stack: str = "shop") -> str:
    with pytest.raises(SettingsError) as caught:
        load(project, stack)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


def test_the_local_stack_loads_with_three_members_and_the_usual_database() -> None:
    settings = load(ROOT, "local")
    assert settings.postgres.members == 3
    assert settings.postgres.consensus_members == 3
    assert [(d.name, d.owner) for d in settings.postgres.databases] == [("db_user_profile", "user")]
    routers = settings.postgres.routers
    assert routers.published(routers.read_write_port) == (5432, 5442)
    assert routers.published(routers.read_only_port) == (5433, 5443)
    assert settings.redis_ports == (6379, 6389)
    assert str(settings.bind_address) == "127.0.0.1"


def test_a_stack_that_does_not_exist_lists_those_there_are(project: Path) -> None:
    write(project, "config: {}")
    write(project, "config: {}", "local")
    message = refusal(project, "prod")
    assert "stack prod does not exist: there is no Pulumi.prod.yaml" in message
    assert message.endswith("there are: local, shop")


def test_a_misspelt_stack_names_the_nearest_one(project: Path) -> None:
    write(project, "config: {}", "local")
    assert "did you mean local?" in refusal(project, "locl")


def test_where_there_is_no_stack_the_error_says_none(project: Path) -> None:
    with pytest.raises(SettingsError, match=r"there are: none$"):
        stack_file(project, "local")


def test_a_stack_file_overrides_the_defaults_of_the_project(project: Path) -> None:
    write(project, "config:\n  selfmonitor:subnet: 172.20.0.0/16\n")
    settings = load(project, "shop")
    assert settings.subnet == IPv4Network("172.20.0.0/16")
    assert str(settings.bind_address) == "127.0.0.1"


def test_an_empty_stack_file_has_every_default(project: Path) -> None:
    write(project, "")
    assert load(project, "shop") == load(ROOT, "local")


def test_keys_may_be_given_with_or_without_the_namespace(project: Path) -> None:
    write(project, "config:\n  subnet: 172.20.0.0/16\n  selfmonitor:bind_address: 127.0.0.2\n")
    settings = load(project, "shop")
    assert (str(settings.subnet), str(settings.bind_address)) == ("172.20.0.0/16", "127.0.0.2")


def test_what_the_policy_pack_reads_is_handed_on(project: Path) -> None:
    write(project, "config:\n  policies:environment: staging\n")
    found = engine_configuration(project, project / "Pulumi.shop.yaml")
    assert found["policies:environment"] == "staging"
    assert load(project, "shop") == load(ROOT, "local")


def test_a_key_of_another_namespace_is_refused_by_name(project: Path) -> None:
    write(project, "config:\n  selfmoniter:subnet: 172.20.0.0/16\n")
    message = refusal(project)
    assert message.startswith("Pulumi.shop.yaml: selfmoniter:subnet: unknown namespace")


def test_a_misspelt_key_in_a_stack_file_names_file_key_and_the_right_one(project: Path) -> None:
    write(project, "config:\n  selfmonitor:postgres:\n    membrs: 3\n")
    message = refusal(project)
    assert message == "Pulumi.shop.yaml: postgres.membrs: unknown key; did you mean members?"


def test_a_file_that_is_no_yaml_is_refused_with_its_line(project: Path) -> None:
    write(project, "config:\n  a: [1\n  b: 2\n")
    message = refusal(project)
    assert message.startswith("Pulumi.shop.yaml line 3: is not valid YAML")


def test_a_file_that_is_no_text_is_refused(project: Path) -> None:
    (project / "Pulumi.shop.yaml").write_bytes(b"config:\n  a: \xff\xfe\n")
    assert refusal(project).startswith("Pulumi.shop.yaml: is not valid YAML")


@pytest.mark.parametrize("text", ["- a\n- b\n", "just a text\n"])
def test_a_file_that_is_no_mapping_is_refused(project: Path, text: str) -> None:
    write(project, text)
    assert refusal(project) == "Pulumi.shop.yaml: expected a mapping with a config: section"


def test_a_config_section_that_is_no_mapping_is_refused(project: Path) -> None:
    write(project, "config: [a]\n")
    assert refusal(project) == "Pulumi.shop.yaml: config: expected a mapping of keys to values"


def test_a_misspelt_config_section_is_refused_and_not_ignored(project: Path) -> None:
    write(project, "confg:\n  selfmonitor:subnet: 172.20.0.0/16\n")
    assert "confg" in refusal(project)


@pytest.mark.parametrize("value", ["3", "true", "[1]", "{", "{not json}", "12.5"])
def test_a_simple_key_with_an_odd_value_is_one_clear_error(project: Path, value: str) -> None:
    write(project, f"config:\n  selfmonitor:bind_address: '{value}'\n")
    message = refusal(project)
    assert message.startswith("Pulumi.shop.yaml: bind_address: expected an IPv4 address")
    assert value.strip("[]") in message


def test_structures_travel_as_json_as_the_engine_hands_them_over(project: Path) -> None:
    write(project, "config:\n  selfmonitor:postgres:\n    members: 5\n")
    flat = engine_configuration(project, project / "Pulumi.shop.yaml")
    assert json.loads(flat["selfmonitor:postgres"]) == {"members": 5}
    assert all(isinstance(value, str) for value in flat.values())
    assert from_engine(flat, "shop").postgres.members == 5


def test_keys_of_other_namespaces_the_engine_knows_are_not_ours() -> None:
    assert from_engine({"pulumi:tags": "{}", "docker:host": "unix:///x"}, "shop").postgres.members


def simple_keys() -> dict[str, Any]:
    declared: dict[str, Any] = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    return declared


def test_settings_are_frozen() -> None:
    settings = load(ROOT, "local")
    with pytest.raises(ValueError, match="frozen"):
        settings.postgres.members = 5  # type: ignore[misc]


def test_every_stack_file_of_the_project_loads() -> None:
    files = [file.name for file in ROOT.glob("Pulumi.*.yaml")]
    assert "Pulumi.local.yaml" in files
    for name in files:
        stack = name.removeprefix("Pulumi.").removesuffix(".yaml")
        assert load(ROOT, stack).postgres.databases


def test_the_stacks_of_the_system_tests_take_no_port_of_one_another_nor_of_the_local_one(
    project: Path,
) -> None:
    files = [ROOT / "Pulumi.local.yaml", *(ROOT / "tests" / "system").glob("*.yaml")]
    assert len(files) == 3
    ports: list[int] = []
    for file in files:
        settings = from_engine(engine_configuration(project, file), file.name)
        routers = settings.postgres.routers
        for first in (routers.read_write_port, routers.read_only_port):
            ports += routers.published(first)
        ports += settings.redis_ports
        ports.append(settings.backup.side_port)
    assert sorted(ports) == sorted(set(ports))


@pytest.mark.parametrize("key", sorted(simple_keys()))
def test_every_simple_key_is_typed_described_and_a_field_of_the_settings(key: str) -> None:
    from settings.stack import StackSettings

    declaration = simple_keys()[key]
    field = StackSettings.model_fields[key]
    assert declaration["type"] == "string"
    assert field.description is not None
    assert declaration["description"].startswith(field.description.rstrip("."))
    assert declaration["default"] == str(field.default)


def is_structure(annotation: Any) -> bool:
    """A model, or one that may be left out."""
    from pydantic import BaseModel

    parts = typing.get_args(annotation) or (annotation,)
    return any(isinstance(part, type) and issubclass(part, BaseModel) for part in parts)


def test_every_key_that_is_not_a_structure_is_declared_in_the_project_file() -> None:
    from settings.stack import StackSettings

    simple = {
        name
        for name, field in StackSettings.model_fields.items()
        if not is_structure(field.annotation)
    }
    assert simple == simple_keys().keys()


def test_a_namespace_whose_service_accounts_aws_does_not_believe_is_refused(project: Path) -> None:
    text = (ROOT / "Pulumi.production.yaml").read_text()
    own = "    namespace: selfmonitor-production\n    # Volumes"
    assert own in text
    write(project, text.replace(own, "    namespace: ledger\n    # Volumes"))
    assert refusal(project) == (
        "Pulumi.shop.yaml: backup.vault.web_identity.namespace is selfmonitor-production, but the "
        "stack's namespace is ledger: no pod could take its role on; make them the same"
    )
    # Without one it is called after the stack.
    write(project, text.replace(own, "    # Volumes"))
    assert "the stack's namespace is selfmonitor-shop: " in refusal(project)
