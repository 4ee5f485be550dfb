"""What commands say: errors on one line, and how far they are."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from app.domain.errors import CifraError


@contextmanager
def cli_errors() -> Iterator[None]:
    """End the command with the message of an error that was raised on purpose."""
    try:
        yield
    except CifraError as error:
        raise click.ClickException(error.message) from error


def show_progress(stage: str, share: float) -> None:
    """Say how far a stage is: all along on a terminal, and at its end elsewhere."""
    is_terminal, is_done = sys.stderr.isatty(), share >= 1
    if is_done or is_terminal:
        back = "\r" if is_terminal else ""
        click.echo(f"{back}{stage}: {share:.0%}", nl=is_done, err=True)
