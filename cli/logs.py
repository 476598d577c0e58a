"""selfmonitor logs"""

import click

from cli.cluster import open_cluster


@click.command()
@click.argument("member")
@click.option("-f", "--follow", is_flag=True, help="Go on as it grows.")
@click.option("-n", "--lines", default=100, show_default=True, type=click.IntRange(1))
@click.pass_context
def logs(context: click.Context, member: str, follow: bool, lines: int) -> None:
    """Show a member's log, e.g. logs postgres-1."""
    container = open_cluster(context).container(member)
    for chunk in container.logs(tail=lines, follow=follow):
        click.echo(chunk.decode(errors="replace"), nl=False)
