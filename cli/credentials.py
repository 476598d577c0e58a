"""What clients on this machine need to be let in, as files of the stack's folder."""

from collections.abc import Mapping
from typing import Any

from cli.project import Project


def write(project: Project, outputs: Mapping[str, Any]) -> None:
    """The authority's certificate, by which clients verify the servers, and what they show."""
    from standalone.state import replace_file

    for path, output, mode in (
        (project.authority_file, "ca_certificate", 0o644),
        (project.application_certificate_file, "application_certificate", 0o644),
        (project.application_key_file, "application_key", 0o600),
    ):
        text = outputs[output]
        if not path.exists() or path.read_text() != text:
            replace_file(path, text.encode())
        path.chmod(mode)
