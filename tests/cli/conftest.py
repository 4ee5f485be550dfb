"""A data directory with a backup of it."""

from pathlib import Path

import pytest

from tests.conftest import GoldenSet, bootstrapped_app, make_config, register_user
from tests.support.cli import run_flask


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory, golden: GoldenSet) -> Path:
    """Return a data directory with some predictions and a backup of it."""
    folder = tmp_path_factory.mktemp("data")
    with bootstrapped_app(make_config(folder, RATELIMIT_ENABLED="false")) as app:
        ana = register_user(app, "ana")
        for number in range(3):
            assert ana.predict("ab", golden.png(number)).status_code == 200
    made = run_flask(folder, "backup", folder / "backup.tgz")
    assert made.returncode == 0, made.stderr
    return folder
