"""Schemathesis on a running server: no 5xx, no undocumented response, no unauthenticated access."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.conftest import GoldenSet, make_config, opened_app
from tests.support.review_data import create_submitters, label_images
from tests.support.server_process import ROOT, UNLIMITED, Server, serve

CONFIG = ROOT / "tests" / "fuzzing" / "schemathesis.toml"

# Old clients expect 422 for a malformed token, so the hooks' own check replaces `ignored_auth` in
# runs with a login. In a run without one no request is accepted, so no positive data is either.
WITH_LOGIN = "--exclude-checks=ignored_auth"
WITHOUT_LOGIN = "--exclude-checks=positive_data_acceptance"


@pytest.fixture
def target(tmp_path: Path, golden: GoldenSet) -> Iterator[Server]:
    """Serve with enough labels for retrains, which time out after a second."""
    short = {"RETRAIN_TIME_LIMIT_S": "1", "RETRAIN_THREADS": "1"}
    with serve(tmp_path / "target", **UNLIMITED, **short) as running:
        with opened_app(make_config(running.data_dir)) as app:
            label_images(app, golden.digits[:40], golden.labels[:40], create_submitters(app, 2))
        yield running


ALL_PHASES = ("Coverage", "Fuzzing", "Stateful")


def run_schemathesis(
    server: Server, *options: str, phases: Sequence[str], is_long: bool, **login: str
) -> None:
    """Run phases with or without a login; fail with the output if it finds an error."""
    phases = ALL_PHASES if is_long else phases
    options += (
        f"--max-examples={20 if is_long else 4}",
        f"--phases={','.join(phases).lower()}",
    )
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "SCHEMATHESIS_HOOKS": "tests.fuzzing.hooks",
        "CIFRA_URL": server.url,
        **login,
    }
    command = [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"]
    command += ["--config-file", str(CONFIG), "run", f"{server.url}/openapi.json", "--no-color"]
    done = subprocess.run(
        [*command, *options],
        cwd=server.data_dir,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-30_000:]
    assert all(f"  ✅ {phase}\n" in done.stdout for phase in phases), done.stdout[-3_000:]


@pytest.mark.long
def test_an_admin_gets_only_documented_responses(target: Server, is_long: bool) -> None:
    login = {"CIFRA_USERNAME": "admin", "CIFRA_PASSWORD": target.admin_password}
    run_schemathesis(target, WITH_LOGIN, phases=ALL_PHASES, is_long=is_long, **login)


@pytest.mark.long
def test_a_user_gets_only_documented_responses(target: Server, is_long: bool) -> None:
    target.register("ana")
    login = {"CIFRA_USERNAME": "ana", "CIFRA_PASSWORD": "password of ana"}
    run_schemathesis(target, WITH_LOGIN, phases=["Fuzzing"], is_long=is_long, **login)


def test_without_a_login_protected_operations_are_rejected(target: Server, is_long: bool) -> None:
    run_schemathesis(target, WITHOUT_LOGIN, phases=["Fuzzing"], is_long=is_long)
