"""What a team has to fill in is found, all of it and nothing else."""

import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from settings.load import load, parse
from settings.stack import StackSettings
from settings.unfilled import HOW, is_unfilled, unfilled

ROOT = Path(__file__).resolve().parents[2]
STACKS = ("staging", "production")


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for each in value.values():
            yield from leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each)
    else:
        yield value


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif typing.get_origin(annotation) is not None:
        for part in typing.get_args(annotation):
            yield from models(part)


def keys(model: type[BaseModel], before: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield before + name
        for inner in models(field.annotation):
            yield from keys(inner, f"{before}{name}.")


@pytest.mark.parametrize("stack", STACKS)
def test_whatever_looks_in_a_stack_file_as_if_it_were_to_be_filled_in_is_found(stack: str) -> None:
    content = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())
    marked = [
        str(each)
        for each in leaves(content)
        if is_unfilled(each) or str(each).startswith("192.0.2.")
    ]
    found = unfilled(load(ROOT, stack))
    assert sorted(each.value for each in found) == sorted(marked)
    assert len(found) == 13


@pytest.mark.parametrize("stack", STACKS)
def test_each_has_its_key_what_it_means_and_how_to_find_it(stack: str) -> None:
    found = {each.key: each for each in unfilled(load(ROOT, stack))}
    assert list(found)[:4] == [
        "kubernetes.context",
        "kubernetes.storage_class",
        "kubernetes.clients[0].namespace_labels.'kubernetes.io/metadata.name'",
        "kubernetes.clients[1].network",
    ]
    for each in found.values():
        assert each.meaning.endswith((".", "shop.")), each.key
        assert len(each.how) > 20, each.key
    assert found["backup.vault.account_id"].value == "000000000000"
    assert found["backup.vault.account_id"].meaning.startswith("The account: twelve digits")


def test_every_key_that_is_asked_for_is_one_there_is() -> None:
    assert set(HOW) <= set(keys(StackSettings))


def test_the_local_stack_has_nothing_to_fill_in() -> None:
    assert unfilled(load(ROOT, "local")) == ()


def test_what_is_everybodys_own_to_name_is_not_looked_at() -> None:
    settings = parse(
        {"postgres": {"databases": [{"name": "fill-in", "owner": "fill-in"}]}}, "Pulumi.x.yaml"
    )
    assert unfilled(settings) == ()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("fill-in", True),
        ("FILL-IN", True),
        ("arn:aws:iam::000000000000:role/administrator", True),
        ("fill-in.invalid/selfmonitor", True),
        ("123456789012", False),
        ("registry.example.com/selfmonitor", False),
        (None, False),
    ],
)
def test_a_value_says_of_itself_that_it_is_to_be_filled_in(value: Any, expected: bool) -> None:
    assert is_unfilled(value) is expected


@pytest.mark.parametrize(
    ("network", "number"), [("192.0.2.0/24", 1), ("192.0.2.64/26", 1), ("192.0.3.0/24", 0)]
)
def test_a_network_that_nobody_has_is_to_be_filled_in(network: str, number: int) -> None:
    kubernetes = {"api_server_networks": [network]}
    settings = parse({"platform": "kubernetes", "kubernetes": kubernetes}, "Pulumi.x.yaml")
    assert len(unfilled(settings)) == number


def test_a_load_balancer_that_is_named_has_to_be_ones_own() -> None:
    arn = "arn:aws:elasticloadbalancing:eu-west-2:{}:loadbalancer/app/{}/0000000000000000"
    for account, name, number in (("000000000000", "fill-in", 1), ("123456789012", "shop", 0)):
        settings = parse(
            {"platform": "kubernetes", "edge": {"load_balancer_arn": arn.format(account, name)}},
            "Pulumi.x.yaml",
        )
        assert [each.key for each in unfilled(settings)] == ["edge.load_balancer_arn"] * number
