"""Rotation keeps the newest good backups, whatever the clock said, and deletes nothing foreign."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.domain.errors import Unavailable
from app.services.maintenance import backup_rotation
from app.services.maintenance.backup_checks import schema_at
from app.services.maintenance.backup_rotation import Rotation
from app.services.maintenance.backups import BackupPaths
from tests.conftest import run_concurrently
from tests.services.maintenance.conftest import MIGRATIONS, ignore_progress
from tests.support.backup_files import Good

OURS, THEIRS = "0a" * 8, "1b" * 8


def name(number: int, year: int = 2026) -> str:
    return f"cifra-{number:06d}-{year}0901T030000Z.tgz"


@pytest.fixture(scope="module")
def archive(small_backup: Good) -> bytes:
    """Return a small backup of this installation: a rotation reads checksums only."""
    return small_backup.pack_files({"app.db": b"rows"}, installation=OURS)


def fill(folder: Path, archive: bytes, names: Iterable[str]) -> None:
    for each in names:
        (folder / each).write_bytes(archive)


def rotate(folder: Path, keep: int) -> Rotation:
    return backup_rotation.rotate(folder, keep, OURS, ignore_progress)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_older_backups_are_deleted_and_the_newest_kept(tmp_path: Path, archive: bytes) -> None:
    fill(tmp_path, archive, map(name, range(1, 8)))
    assert rotate(tmp_path, 3) == Rotation([name(4), name(3), name(2), name(1)], [])
    assert left(tmp_path) == [name(5), name(6), name(7)]
    assert rotate(tmp_path, 3) == Rotation([], [])


@pytest.mark.parametrize("years", [(2026, 2099, 2099, 2026, 2026), (2026, 2026, 1970, 1970, 2026)])
def test_a_clock_that_jumps_changes_nothing(
    tmp_path: Path, archive: bytes, years: tuple[int, ...]
) -> None:
    names = [name(number, year) for number, year in enumerate(years, start=1)]
    for number, year in enumerate(years, start=1):
        path = backup_rotation.next_path(tmp_path, datetime(year, 9, 1, 3, tzinfo=UTC))
        assert path.name == names[number - 1]
        path.write_bytes(archive)
        rotate(tmp_path, 2)
        assert left(tmp_path) == sorted(names[max(0, number - 2) : number])


def test_a_damaged_backup_is_not_counted(tmp_path: Path, archive: bytes) -> None:
    fill(tmp_path, archive, map(name, range(1, 6)))
    (tmp_path / name(5)).write_bytes(archive[:-20])
    (tmp_path / name(3)).write_bytes(b"")
    assert rotate(tmp_path, 2) == Rotation([name(1)], [name(5), name(3)])
    assert left(tmp_path) == [name(2), name(3), name(4), name(5)]


def test_a_backup_that_another_rotation_deletes_meanwhile_is_not_damaged(
    tmp_path: Path, archive: bytes
) -> None:
    fill(tmp_path, archive, map(name, range(1, 4)))

    def delete_the_next(*_: object) -> None:
        (tmp_path / name(2)).unlink(missing_ok=True)

    assert backup_rotation.rotate(tmp_path, 2, OURS, delete_the_next) == Rotation([], [])
    assert left(tmp_path) == [name(1), name(3)]


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="/gone cannot be read: No such file or directory"):
        rotate(tmp_path / "gone", 1)


def test_the_last_good_backup_is_kept_however_many_damaged_ones_are_newer(
    tmp_path: Path, archive: bytes
) -> None:
    fill(tmp_path, archive, [name(1)])
    fill(tmp_path, archive[: len(archive) // 2], map(name, range(2, 9)))
    assert rotate(tmp_path, 1).deleted == []
    assert len(left(tmp_path)) == 8


def test_what_this_installation_did_not_write_is_never_deleted(
    tmp_path: Path, archive: bytes, small_backup: Good
) -> None:
    foreign = ["before-upgrade.tgz", "cifra-1-20260901T030000Z.tgz", f"{name(1)}.part", "notes.txt"]
    fill(tmp_path, archive, [*foreign, *map(name, range(3, 6))])
    theirs = small_backup.pack_files({"app.db": b"rows"}, installation=THEIRS)
    older = small_backup.pack_files({"app.db": b"rows"})
    (tmp_path / name(1)).write_bytes(theirs)
    (tmp_path / name(6)).write_bytes(theirs)
    (tmp_path / name(7)).write_bytes(older)
    (tmp_path / name(2)).symlink_to(tmp_path / "notes.txt")
    (tmp_path / name(8)).mkdir()
    before = left(tmp_path)
    assert rotate(tmp_path, 1).deleted == [name(4), name(3)]
    assert left(tmp_path) == sorted(set(before) - {name(3), name(4)})


def test_numbers_count_up_past_six_digits(tmp_path: Path, archive: bytes) -> None:
    at = datetime(2026, 9, 1, 3, tzinfo=UTC)
    fill(tmp_path, archive, [name(999_999), name(1_000_000)])
    assert backup_rotation.next_path(tmp_path, at).name == name(1_000_001)
    assert rotate(tmp_path, 1).deleted == [name(999_999)]


def test_backups_made_at_once_do_not_collide(tmp_path: Path, small_backup: Good) -> None:
    (tmp_path / "app.db").write_bytes(small_backup.database)
    folder = tmp_path / "kept"
    folder.mkdir()
    schema_at(small_backup.manifest["revision"], MIGRATIONS)  # migrations run on one thread only

    def create() -> Path:
        target, _ = backup_rotation.create_next(
            BackupPaths(tmp_path / "app.db", tmp_path),
            folder,
            MIGRATIONS,
            ignore_progress,
            with_secrets=False,
            installation=OURS,
        )
        return target

    targets = run_concurrently(4, create)
    assert sorted(path.name for path in targets) == left(folder)
    assert len(left(folder)) == 4
    assert rotate(folder, 4) == Rotation([], [])
