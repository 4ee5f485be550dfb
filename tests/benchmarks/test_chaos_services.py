"""`make chaos` finds processes that outlive the process that started them."""

from pathlib import Path

from benchmarks.chaos.services import Service, is_running
from tests.support.live_client import wait_until


def test_a_process_that_outlives_its_parent_is_an_orphan_until_it_is_stopped(
    tmp_path: Path,
) -> None:
    service = Service(("sh", "-c", "sleep 600 & wait"), tmp_path)
    wait_until(lambda: service.children("sleep"), "the child")
    assert service.orphans() == []
    service.server.process.kill()
    service.restart()
    (orphan,) = service.orphans()
    assert orphan.cmdline() == ["sleep", "600"]
    wait_until(lambda: service.children("sleep"), "the second child")
    assert service.orphans() == [orphan]
    service.stop()
    wait_until(lambda: not is_running(orphan), "the end of the orphan")
