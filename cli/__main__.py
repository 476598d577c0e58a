"""selfmonitor: the operator's commands."""

import importlib
import os
import sys
from pathlib import Path

import click

from cli.errors import OperationFailed, UserError

# Command → (module, first line of its help): modules are loaded when used, so that `status`
# does not wait for what only `up` needs.
COMMANDS = {
    "up": ("cli.up", "Bring the stack up, or bring it to what its stack file says."),
    "preview": ("cli.preview", "Show what up would do, and change nothing."),
    "status": ("cli.status", "Show how the stack is."),
    "events": ("cli.events", "Show who became primary when, and why."),
    "psql": ("cli.psql", "Open psql as the application does."),
    "redis-cli": ("cli.redis_cli", "Open redis-cli as the application does."),
    "connection": ("cli.connection", "Show what an application needs to connect."),
    "switchover": ("cli.switchover", "Move the primary of PostgreSQL or Redis, planned."),
    "backup": ("cli.backup", "Back up now, list backups, show how far back one can go."),
    "restore": ("cli.restore", "Bring PostgreSQL back to a point in time, beside or in place."),
    "restore-table": ("cli.restore_table", "Copy a table from what was restored beside."),
    "verify-restore": ("cli.verify_restore", "Restore the backups, compare, throw it away."),
    "logs": ("cli.logs", "Show a member's log."),
    "down": ("cli.down", "Stop the stack; data and passwords stay."),
    "doctor": ("cli.doctor", "Check this machine and the stack, with a fix for each finding."),
    "images": ("cli.images.command", "Build the images, show what they hold, push them."),
    "drill": ("cli.drill.command", "Break the stack for real and count."),
    "test": ("cli.test", "Prove the project: linters, types, unit and system tests."),
}


class Commands(click.Group):
    """Loads a command's module when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order a person needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """None for an unknown name; click then says so and exits with 2."""
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(
            importlib.import_module(COMMANDS[name][0]), name.replace("-", "_")
        )
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Adds the nearest command to the error for an unknown one."""
        if args and args[0] not in COMMANDS:
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(COMMANDS)}"
            raise click.UsageError(f"no such command: {args[0]}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-s", "--stack", default="local", show_default=True, help="The stack.")
@click.option(
    "--config-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A stack file instead of Pulumi.<stack>.yaml.",
)
@click.pass_context
def main(context: click.Context, stack: str, config_file: Path | None) -> None:
    """A highly available PostgreSQL and Redis data platform that proves what it promises."""
    from cli.project import ROOT, Project

    context.obj = Project(ROOT, stack, config_file.resolve() if config_file else None)


def run() -> int:
    """Exit status: 0 done, 1 it failed, 2 something given was wrong, 130 interrupted."""
    from settings.errors import SettingsError

    try:
        result = main(prog_name="selfmonitor", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (UserError, SettingsError) as error:
        click.echo(f"selfmonitor: {error}", err=True)
        return 2
    except OperationFailed as error:
        click.echo(f"selfmonitor: {error}", err=True)
        for line in error.details:
            click.echo(f"  │ {line}", err=True)
        return 1
    except (click.Abort, KeyboardInterrupt):
        click.echo(
            "selfmonitor: interrupted; what is done stays, the same command goes on", err=True
        )
        return 130
    except BrokenPipeError:
        return 0


if __name__ == "__main__":
    status = run()
    sys.stdout.flush()
    sys.stderr.flush()
    if status:
        # Threads of a run that failed or was interrupted may still be waiting for Docker. Nobody
        # waits for them: what they do is repeatable.
        os._exit(status)
    sys.exit(status)
