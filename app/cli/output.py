"""The output of commands: errors on one line, and progress."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from app.domain.errors import CifraError


@contextmanager
def cli_errors() -> Iterator[None]:
    """Turn a domain error into a one-line error message of the command."""
    try:
        yield
    except CifraError as error:
        raise click.ClickException(error.message) from error


def show_progress(stage: str, progress: float) -> None:
    """Show the progress of a stage: continuously on a terminal, otherwise only at its end."""
    is_terminal, is_done = sys.stderr.isatty(), progress >= 1
    if is_done or is_terminal:
        carriage_return = "\r" if is_terminal else ""
        click.echo(f"{carriage_return}{stage}: {progress:.0%}", nl=is_done, err=True)
