"""Find what other users of the machine could access."""

from pathlib import Path

from app.services.maintenance.private_files import is_accessible_to_others
from tests.support.process_usage import process_tree


def list_accessible(data_dir: Path) -> list[str]:
    """Return the names in a data directory that others can access, but for the tests' log."""
    paths = (path for path in data_dir.rglob("*") if path.name != "server.log")
    return sorted(path.name for path in paths if is_accessible_to_others(path))


def list_umasks(pid: int) -> set[int]:
    """Return the umasks of a process and all its descendants."""
    return {_umask(each.pid) for each in process_tree(pid)}


def _umask(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("Umask:"):
            return int(line.split()[1], base=8)
    raise AssertionError("this kernel does not tell")
