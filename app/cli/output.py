"""The output of commands: errors on one line, and progress."""

import sys

import click
from sqlalchemy.exc import SQLAlchemyError

from app.domain.errors import CifraError
from app.store.engine.database_errors import describe


class Command(click.Command):
    """A command whose errors are one line each: domain errors, and failures of the database."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except CifraError as error:
            raise click.ClickException(error.message) from error
        except SQLAlchemyError as error:
            failure = describe(error)
            if failure is None:
                raise
            raise click.ClickException(str(failure)) from error


def show_progress(stage: str, progress: float) -> None:
    """Show the progress of a stage: continuously on a terminal, otherwise only at its end."""
    is_terminal, is_done = sys.stderr.isatty(), progress >= 1
    if is_done or is_terminal:
        carriage_return = "\r" if is_terminal else ""
        click.echo(f"{carriage_return}{stage}: {progress:.0%}", nl=is_done, err=True)
