"""Prints the JSON Schema of a stack's settings: python -m settings.schema > settings/schema.json"""

import json

from settings.stack import StackSettings


def schema_text() -> str:
    """The schema as it is committed, for editors and for reviewers."""
    return json.dumps(StackSettings.model_json_schema(), indent=2) + "\n"


if __name__ == "__main__":
    print(schema_text(), end="")
