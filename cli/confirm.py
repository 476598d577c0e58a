"""What cannot be undone is confirmed with the stack's name, typed."""

import click

from cli.errors import UserError


def confirm(stack: str, warning: str, otherwise: str, *, yes: bool) -> None:
    """Raises UserError, which says `otherwise`, when the name is not typed."""
    if yes:
        return
    click.echo(warning, err=True)
    try:
        typed = click.prompt(f"Type {stack} to go on", err=True, default="", show_default=False)
    except click.Abort:
        typed = ""
    if typed != stack:
        raise UserError(f"not confirmed: {otherwise}")
