"""Before the disk is full, admins are alerted, and then the process is not ready."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import update

from app.domain.errors import Unavailable
from app.services.monitoring import readiness
from app.services.monitoring.disk_monitor import MIB, DiskMonitor
from app.services.notifications import alerts
from app.store.engine.db import write_transaction
from app.store.tables import Alert
from tests.conftest import bootstrapped_app, container_of, make_config, opened_app

RESERVE = 64 * MIB


class Disk:
    """A disk whose free space a test sets."""

    def __init__(self) -> None:
        self.free = 1 << 40

    def __call__(self, _: Path) -> int:
        return self.free

    def monitor(self, reserve_bytes: int = RESERVE) -> DiskMonitor:
        """Return the monitor of a process that starts now."""
        return DiskMonitor(Path("/somewhere"), reserve_bytes, self)


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def on_app(app_on_each: Flask) -> Iterator[Flask]:
    with app_on_each.app_context():
        yield app_on_each


def disk_alerts() -> list[str]:
    return [alert.message for alert in alerts.list_recent(10) if alert.kind == "disk"]


def is_ready(app: Flask, monitor: DiskMonitor) -> bool:
    """Return whether /readyz would be 200 with this monitor."""
    try:
        readiness.check(container_of(app).inference, None, monitor)
    except Unavailable:
        return False
    return True


def test_low_space_alerts_once_and_very_low_space_is_not_ready(on_app: Flask, disk: Disk) -> None:
    monitors = [disk.monitor() for _ in range(2)]
    for free, alert_count, ready in (
        (256 * MIB, 0, True),
        (256 * MIB - 1, 1, True),
        (64 * MIB, 1, True),
        (64 * MIB - 1, 1, False),
        (0, 1, False),
        (1 << 30, 1, True),
        (200 * MIB, 1, True),  # again on the same day
    ):
        disk.free = free
        for monitor in monitors:
            monitor.check()
            assert is_ready(on_app, monitor) is ready
        assert len(disk_alerts()) == alert_count, free
    assert disk_alerts()[0].startswith("255 MiB are free at /somewhere. Below 64 MiB")


def test_an_alert_from_a_clock_that_was_ahead_keeps_none_back(on_app: Flask, disk: Disk) -> None:
    disk.free = 0
    disk.monitor().check()
    with write_transaction() as session:
        ahead = datetime.now(UTC) + timedelta(days=400)
        session.execute(update(Alert).values(created_at=ahead))
    disk.monitor().check()
    disk.monitor().check()
    assert len(disk_alerts()) == 2


def test_a_reserve_of_0_turns_it_off(on_app: Flask, disk: Disk) -> None:
    disk.free = 0
    monitor = disk.monitor(0)
    monitor.check()
    assert is_ready(on_app, monitor)
    assert disk_alerts() == []


def test_a_folder_that_is_gone_has_no_space(on_app: Flask, tmp_path: Path) -> None:
    assert not is_ready(on_app, DiskMonitor(tmp_path / "gone", RESERVE))


def test_readyz_is_503_with_less_than_the_setting(tmp_path: Path) -> None:
    with bootstrapped_app(make_config(tmp_path, DISK_RESERVE_MB="1000000")) as app:
        answer = app.test_client().get("/readyz")
    assert (answer.status_code, "The disk is nearly full" in answer.text) == (503, True)


def test_on_postgresql_the_disk_is_the_servers(tmp_path: Path) -> None:
    url = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "DISK_RESERVE_MB": "1000000"}
    with opened_app(make_config(tmp_path, **url)) as app:
        container_of(app).disk_monitor.require_space()
