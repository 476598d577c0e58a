"""The JSON Schema that editors and reviewers read."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from settings.schema import schema_text

ROOT = Path(__file__).resolve().parents[2]


def test_the_committed_schema_is_the_one_the_settings_have() -> None:
    committed = (ROOT / "settings" / "schema.json").read_text()
    assert committed == schema_text(), "python -m settings.schema > settings/schema.json"


def properties(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for model, definition in {"StackSettings": schema, **schema["$defs"]}.items():
        for name, value in definition["properties"].items():
            yield f"{model}.{name}", value


def test_every_key_has_a_description() -> None:
    found = dict(properties(json.loads(schema_text())))
    assert len(found) > 20
    assert [name for name, value in found.items() if not value.get("description")] == []


def test_unknown_keys_are_refused_by_the_schema_as_well() -> None:
    schema = json.loads(schema_text())
    assert schema["additionalProperties"] is False
    assert all(each["additionalProperties"] is False for each in schema["$defs"].values())
