"""SIGKILL during promotions: whether exactly one complete model serves each version afterwards."""

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from flask import Flask
from onnx import helper
from sqlalchemy import text
from tqdm import tqdm

from app.domain.assignment import Version
from app.domain.predictions import IMAGE_SIZE
from app.domain.promotion_gates import CandidateMetrics, PairedCounts
from app.services.experiments import lifecycle
from app.services.models import registry
from app.services.models.inference import InferenceService
from app.services.retraining import jobs
from app.services.retraining.training_process import Candidate
from app.store.engine.db import write_transaction
from app.training.datasets import load_base_sets
from benchmarks.results_table import Row
from config import ROOT
from tests.conftest import bootstrapped_app, make_config, opened_app
from tests.support.review_data import create_submitters, label_images

SEED, KILLS = 20_260_901, 100
LABELS = 40
MAX_DELAY_S = 0.03  # a promotion takes about half of that

_SAME = PairedCounts(6_000, 5_990, 2, 2)
_BETTER = PairedCounts(100, 60, 20, 2)
_GOOD = CandidateMetrics(_SAME, _SAME, {"7": _SAME}, {"photograph": _SAME}, _BETTER, _BETTER)


def rows() -> Iterator[Row]:
    """Promote candidates, each in a process that is killed at a random moment."""
    rng = np.random.default_rng(SEED)
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__])
    broken, landed = 0, 0
    with TemporaryDirectory() as folder, bootstrapped_app(make_config(Path(folder))) as app:
        _add_labels(app)
        for turn in tqdm(range(KILLS), "kills", leave=False):
            with app.app_context():
                job = jobs.create(1, Version.V2, "auto")
            ours, theirs = processes.Pipe()
            promoting = processes.Process(target=promote, args=(Path(folder), turn, theirs))
            promoting.start()
            ours.recv()
            time.sleep(rng.uniform(0, MAX_DELAY_S))
            promoting.kill()
            promoting.join()
            with app.app_context():
                landed += jobs.get(job.id).status == "deployed"
                broken += not _is_consistent(job.id)
                _release(job.id)
    yield Row(
        f"kill -9 during a promotion, {KILLS} times: each version is served by one complete model",
        f"{KILLS}",
        f"{KILLS - broken}, after {landed} of them the new one",
        missed=broken > 0 or not 0 < landed < KILLS,
    )


def promote(folder: Path, turn: int, parent: Connection) -> None:
    """Claim the job and deploy a candidate; runs in the process that is killed."""
    net = onnx.load(ROOT / "models" / "v2.onnx")
    helper.set_model_props(net, {"name": f"candidate {turn}"})
    with opened_app(make_config(folder)) as app, app.app_context():
        claimed = jobs.claim_next()
        if claimed is None:
            raise RuntimeError("there is no job")
        wanted = jobs.training_spec(claimed)
        parent.send("promoting")
        jobs.complete(claimed, wanted, Candidate(net.SerializeToString(), _GOOD), "")


def _is_consistent(job_id: int) -> bool:
    """Return whether both versions serve their last deployment, and all rows agree."""
    inference = InferenceService(nullcontext)
    inference.reload()
    blank = np.zeros((IMAGE_SIZE, IMAGE_SIZE), dtype=np.uint8)
    serving = {version: inference.predict(version, blank).model.id for version in Version}
    last = {version: registry.deployment_history_ids(version)[0] for version in Version}
    job = jobs.get(job_id)
    deployed = [each.reason for each in registry.list_deployments(1)] == [f"retrain {job_id}"]
    running = [each for each in lifecycle.list_recent(2) if each.ended_at is None]
    return (
        serving == last
        and deployed == (job.status == "deployed")
        and (job.model_id == last[Version.V2] if deployed else job.model_id is None)
        and len(running) == 1
        and _compared_models(running[0].id) == (last[Version.V1], last[Version.V2])
    )


def _compared_models(experiment_id: int) -> tuple[int, int]:
    split = lifecycle.current_split()
    if split.experiment_id != experiment_id:
        raise RuntimeError("the running experiment divides no traffic")
    return split.model_ids


def _release(job_id: int) -> None:
    """End a job whose process was killed, as the next worker would after its lease."""
    if jobs.get(job_id).status != "running":
        return
    jobs.cancel(job_id)
    with write_transaction() as session:
        past = datetime.now(UTC) - timedelta(seconds=1)
        session.execute(text("UPDATE retrain_job SET lease_until = :past"), {"past": past})
    jobs.claim_next()


def _add_labels(app: Flask) -> None:
    training = load_base_sets().training
    images, digits = training.digits[:LABELS], training.labels[:LABELS]
    label_images(app, list(images), digits.tolist(), create_submitters(app, 2))
