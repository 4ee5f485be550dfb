"""How worker processes start."""

from pathlib import Path

import pytest

from tests.conftest import run_python
from tests.support.server_process import free_port

GUNICORN = "import runpy; runpy.run_path('gunicorn.conf.py')"
GRANIAN = "import serve_granian as s; s.Server.serve = lambda *_, **__: None; s.main()"
COUNT_THREADS = """
import numpy, threadpoolctl
print([pool["num_threads"] for pool in threadpoolctl.threadpool_info()])
"""


@pytest.mark.slow
@pytest.mark.parametrize("start", [GUNICORN, GRANIAN], ids=["gunicorn", "granian"])
def test_numpy_starts_no_threads_in_a_server(tmp_path: Path, start: str) -> None:
    settings = {"DATA_DIR": str(tmp_path), "PORT": str(free_port())}
    setting = f"import os; os.environ |= {settings}"
    assert run_python(f"{setting}\n{start}\n{COUNT_THREADS}") == "[1]\n"
