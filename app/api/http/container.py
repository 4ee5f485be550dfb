"""The container: what one application creates once and shares between its requests."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import cast

from flask import Flask, current_app

from app import smtp
from app.api.http.request_metrics import RequestMetrics
from app.imaging.decoder_pool import DecoderPool
from app.services.accounts.passwords import PasswordHasher
from app.services.accounts.signing_keys import KeyFiles, SigningKeys
from app.services.accounts.token_cache import TokenCache
from app.services.background.periodic_tasks import Task, run_all
from app.services.background.periodic_worker import PeriodicWorker
from app.services.experiments.split_cache import SplitCache
from app.services.maintenance.retention import Retention
from app.services.models import guarded_rollout
from app.services.models.inference import InferenceService
from app.services.monitoring.disk_monitor import MIB, DiskMonitor
from app.services.monitoring.drift_monitor import DriftMonitor
from app.services.monitoring.rate_limit_monitor import RateLimitMonitor
from app.services.monitoring.shutdown_notice import ShutdownNotice
from app.services.notifications.mailer import Mailer
from app.services.predictions.predictor import Predictor
from app.services.retraining.training_process import TrainingConfig
from app.services.retraining.worker import run_pending
from app.store.engine.batch_writes import BatchWriter
from app.store.engine.database_file import DatabaseFile
from app.store.engine.db import BATCH_BIND, db, sqlite_connection
from app.store.engine.wal_cleanup import WalCleanup
from config import Config, child_environment

RETRAIN_INTERVAL_S = 5.0  # to notice a job that another process requested or left behind
MAIL_INTERVAL_S = 5.0
RESERVED_THREADS = 4  # of those for requests: they never wait for a large image to be decoded
RETENTION_INTERVAL_S = 60.0  # to check the clock
HOUSEKEEPING_INTERVAL_S = 1.0  # a deployment must be served within two seconds

_KEY = "cifra"


@dataclass(frozen=True)
class Container:
    """The settings and the objects that live between requests."""

    config: Config
    database_file: DatabaseFile | None
    request_metrics: RequestMetrics
    signing_keys: SigningKeys
    hasher: PasswordHasher
    inference: InferenceService
    decoder_pool: DecoderPool
    predictor: Predictor
    batch_writer: BatchWriter
    token_cache: TokenCache
    split_cache: SplitCache
    retrain_worker: PeriodicWorker
    training_config: TrainingConfig
    disk_monitor: DiskMonitor
    housekeeping: PeriodicWorker
    retention_worker: PeriodicWorker
    mail_worker: PeriodicWorker
    shutdown_notice: ShutdownNotice

    def notify_retrain_worker(self) -> None:
        """Start pending retrains soon, if this server is one that trains."""
        if self.config.runs_training:
            self.retrain_worker.trigger()


def container() -> Container:
    """Return the container of the application that handles this request."""
    return cast("Container", current_app.extensions[_KEY])


def init_container(
    app: Flask,
    config: Config,
    database_file: DatabaseFile | None,
    is_using_fallback: Callable[[], bool],
) -> Container:
    """Create the container of an application and attach it; starts no thread.

    `is_using_fallback` tells whether rate limits are counted in this process. It is passed in
    because `rate_limits` imports this module.
    """
    with app.app_context():
        batch_writer = BatchWriter(db.engines[BATCH_BIND], database_file)
    inference, signing_keys = InferenceService(app.app_context), _signing_keys(config)
    decoder_pool = DecoderPool(
        child_environment(), config.web_threads - config.live_sockets - RESERVED_THREADS
    )
    training_config = TrainingConfig(
        config.data_dir / "retrains",
        config.retrain_steps,
        config.retrain_threads,
        config.retrain_time_limit_s,
        child_environment(),
    )
    retrain_worker = PeriodicWorker(
        "retrain", RETRAIN_INTERVAL_S, app.app_context, partial(run_pending, training_config)
    )
    disk_monitor = _disk_monitor(config)
    housekeeping = PeriodicWorker(
        "housekeeping",
        HOUSEKEEPING_INTERVAL_S,
        app.app_context,
        partial(
            run_all,
            _housekeeping_tasks(config, database_file, inference, disk_monitor, is_using_fallback),
        ),
    )
    mailer = Mailer(smtp.send if config.mail_server else None)
    created = Container(
        config=config,
        database_file=database_file,
        request_metrics=RequestMetrics(),
        signing_keys=signing_keys,
        hasher=PasswordHasher(config.bcrypt_rounds),
        inference=inference,
        decoder_pool=decoder_pool,
        predictor=Predictor(inference, batch_writer, decoder_pool),
        batch_writer=batch_writer,
        token_cache=TokenCache(signing_keys, app.app_context),
        split_cache=SplitCache(app.app_context),
        retrain_worker=retrain_worker,
        training_config=training_config,
        disk_monitor=disk_monitor,
        housekeeping=housekeeping,
        retention_worker=PeriodicWorker(
            "retention",
            RETENTION_INTERVAL_S,
            app.app_context,
            Retention(config.retention_days).run,
        ),
        mail_worker=PeriodicWorker(
            "mail", MAIL_INTERVAL_S, app.app_context, mailer.deliver, stop_timeout_s=1.0
        ),
        shutdown_notice=ShutdownNotice(),
    )
    app.extensions[_KEY] = created
    return created


def _housekeeping_tasks(
    config: Config,
    database_file: DatabaseFile | None,
    inference: InferenceService,
    disk_monitor: DiskMonitor,
    is_using_fallback: Callable[[], bool],
) -> list[Task]:
    """List the periodic tasks in the order in which they run."""
    watch_file = [] if database_file is None else [partial(database_file.watch, sqlite_connection)]
    return [
        *watch_file,
        inference.reload,
        guarded_rollout.evaluate_all,
        DriftMonitor().check,
        RateLimitMonitor(is_using_fallback).check,
        disk_monitor.check,
        WalCleanup(config.database_file).run,
    ]


def _disk_monitor(config: Config) -> DiskMonitor:
    """Create the monitor of the SQLite file's disk; a database server monitors its own."""
    if config.database_file is None:
        return DiskMonitor(config.data_dir, 0)
    return DiskMonitor(config.database_file.parent, config.disk_reserve_mb * MIB)


def _signing_keys(config: Config) -> SigningKeys:
    files = None
    if config.jwt_key_file is not None:
        files = KeyFiles(config.jwt_key_file, config.max_token_lifetime)
    return SigningKeys(config.jwt_secret_key, config.jwt_previous_keys, files)
