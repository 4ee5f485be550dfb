"""The command that erases expired data now, or shows what it would erase."""

import threading
from datetime import datetime, timedelta

import click
from flask.cli import with_appcontext

from app.api.http.container import container
from app.cli.output import Command, show_progress
from app.domain.errors import Conflict, InvalidInput, Unavailable
from app.services.maintenance import clock_guard, retention
from app.services.maintenance.clock_guard import ClockGuard, ClockStatus
from app.services.maintenance.retention import LOGIN_GRACE, Erased, Preview
from app.services.monitoring import database_status
from config import ROOT


@click.command("retention", cls=Command)
@click.option("--dry-run", is_flag=True, help="Show what a sweep would erase; erase nothing.")
@click.option("--confirm", is_flag=True, help="Say that the clock is right, if Cifra doubts it.")
@with_appcontext
def retention_command(*, dry_run: bool, confirm: bool) -> None:
    """Erase images and feedback past RETENTION_DAYS now; a server does so every hour."""
    days = container().config.retention_days
    if days is None:
        raise InvalidInput("RETENTION_DAYS is not set, so nothing expires. Set it to a number")
    _require_migrated()
    clock = clock_guard.preview(days)
    found = retention.preview(days, clock.now)
    _show(days, clock, found)
    if dry_run:
        click.echo("nothing was erased: --dry-run")
        return
    if confirm:
        clock_guard.confirm()
    _sweep(days, found)


def _require_migrated() -> None:
    state = database_status.check(ROOT / "migrations")
    if state.error is not None:
        raise Unavailable(f"The database does not answer: {state.error}. Check DATABASE_URL")
    if not state.is_migrated:
        raise Conflict(f"The database is at migration {state.revision}. Run `prepare` first")


def _show(days: int, clock: ClockStatus, found: Preview) -> None:
    expired, state = found.expired, "trusted"
    if clock.untrusted_until is not None and not clock.is_trusted:
        state = f"not trusted until {_utc(clock.untrusted_until)}: servers erase nothing"
    period = ""
    if expired.oldest_at is not None and expired.newest_at is not None:
        period = f", from {_utc(expired.oldest_at)} to {_utc(expired.newest_at)}"
    click.echo(f"clock: {_utc(clock.now)}, {state}")
    click.echo(f"expired: what is from before {_utc(clock.now - timedelta(days=days))}")
    click.echo(f"images: {expired.images:,} of {found.stored.images:,}{period}")
    click.echo(f"owners of these images: {expired.owners:,} of {found.stored.owners:,}")
    click.echo(f"feedback: {found.feedback:,} on these images, {found.unlinked_feedback:,} on none")
    click.echo(f"logins: {found.logins:,} expired more than {LOGIN_GRACE.days} days ago")


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _sweep(days: int, found: Preview) -> None:
    """Erase what is expired. Raises Conflict if the clock is not trusted."""
    clock = ClockGuard(days).check()
    if not clock.is_trusted:
        raise Conflict(
            f"Nothing was erased: the clock says {_utc(clock.now)}, and Cifra does not trust"
            " it. If it is wrong, set it; if it is right, add --confirm"
        )

    def show(erased: Erased) -> None:
        if erased.images < found.expired.images:
            show_progress("erasing", erased.images / found.expired.images)

    erased = retention.sweep(days, clock.now, threading.Event(), show)
    show_progress("erasing", 1.0)
    click.echo(f"erased {erased}")
