"""Cifra: two versions of a digit classifier behind one API; this module wires it together."""

import logging
from datetime import timedelta
from functools import partial

from flask import Flask
from flask_cors import CORS
from flask_migrate import Migrate
from werkzeug.middleware.proxy_fix import ProxyFix

from app import cli, smtp
from app.api.fastpath import fallback
from app.api.fastpath.middleware import FastPath
from app.api.http import (
    error_handlers,
    rate_limit_storage,
    rate_limits,
    refresh_cookie,
    request_logging,
)
from app.api.http.authentication import jwt
from app.api.http.container import Container, attach
from app.api.http.json_provider import DisabledSessions, OrjsonProvider
from app.api.http.rate_limits import limiter
from app.api.http.request_metrics import RequestMetrics
from app.api.http.request_parsing import MAX_BATCH_BODY_BYTES
from app.api.views import (
    ab,
    auth,
    docs,
    experiments,
    feedback,
    health,
    me,
    metrics,
    models,
    predictions,
    report,
    retrain,
    reviews,
    users,
    v1,
    v2,
)
from app.live.live_server import LiveServer
from app.services.accounts.passwords import PasswordHasher
from app.services.accounts.sessions import TokenCache
from app.services.accounts.signing_keys import KeyFiles, SigningKeys
from app.services.background.periodic_tasks import Task, run_all
from app.services.background.periodic_worker import PeriodicWorker
from app.services.experiments.lifecycle import SplitCache
from app.services.maintenance.retention import Retention
from app.services.models import guarded_rollout
from app.services.models.inference import InferenceService
from app.services.monitoring.drift_monitor import DriftMonitor
from app.services.monitoring.rate_limit_monitor import RateLimitMonitor
from app.services.notifications.mailer import Mailer
from app.services.predictions.predictor import Predictor
from app.services.retraining.training_process import TrainingConfig
from app.services.retraining.worker import run_pending
from app.store.engine import auth_changes
from app.store.engine.batch_writes import BatchWriter
from app.store.engine.db import (
    BATCH_BIND,
    batch_engine_options,
    configure_engines,
    db,
    engine_options,
)
from app.web import language, pages
from config import ROOT, Config, child_environment

BLUEPRINTS = (
    *(v1.blueprint, v2.blueprint, ab.blueprint),
    *(auth.blueprint, me.blueprint, feedback.blueprint, predictions.blueprint),
    *(report.blueprint, experiments.blueprint, reviews.blueprint),
    *(retrain.blueprint, models.blueprint, users.blueprint, health.blueprint),
    metrics.blueprint,
    docs.blueprint,
    pages.blueprint,
)

EXPOSED_HEADERS = [
    *("Retry-After", "X-Request-ID", "Location"),
    *("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"),
]

RETRAINS_EVERY_S = 5.0  # a job that another process left, or asked for
MAIL_EVERY_S = 5.0
LOOK_EVERY_S = 1.0  # a deployment is to be followed within two seconds

_log = logging.getLogger(__name__)


def create_app(config: Config, *, live: bool = True) -> Flask:
    """Wire an application together; it connects to nothing and starts no thread before its use.

    Without `live` it takes no sockets: another service does.
    """
    app = Flask(__name__, instance_path=str(config.data_dir), static_folder=None)
    app.config.from_mapping(_flask_settings(config))
    app.json, app.session_interface = OrjsonProvider(app), DisabledSessions()
    db.init_app(app)
    with app.app_context():
        configure_engines()
        groups = BatchWriter(db.engines[BATCH_BIND])
    wired = _parts(app, config, groups)
    attach(app, wired)
    request_logging.register(app, wired.meters)
    fallback.register(app)
    if config.is_live_only:
        app.before_request(health.reject_other_routes)
    error_handlers.register(app)
    for extension in (jwt, limiter, smtp.mail):
        extension.init_app(app)
    language.babel.init_app(app, locale_selector=language.chosen)
    Migrate(app, db, directory=str(ROOT / "migrations"))
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    cli.register(app)
    if live:
        channel = LiveServer(app, config)
        wired.meters.watch(
            "cifra_live_connections", "Live connections that are open.", channel.count_open
        )
    _trust(app, config)  # around the sockets too: they are limited by address
    if not config.is_live_only:
        app.wsgi_app = FastPath(app, wired)  # type: ignore[method-assign]
    auth_changes.watch(db.session)
    return app


def _parts(app: Flask, config: Config, groups: BatchWriter) -> Container:
    inference, meters, keys = InferenceService(app.app_context), RequestMetrics(), _keys(config)
    meters.registry.register(metrics.DatabaseCollector())
    workshop = TrainingConfig(
        config.data_dir / "retrains",
        config.retrain_threads,
        config.retrain_time_limit_s,
        child_environment(),
    )
    mailer = Mailer(smtp.send if config.mail_server else None)
    return Container(
        config=config,
        meters=meters,
        keys=keys,
        hasher=PasswordHasher(config.bcrypt_rounds),
        inference=inference,
        reader=Predictor(inference, groups),
        groups=groups,
        token_cache=TokenCache(keys, app.app_context),
        splits=SplitCache(app.app_context),
        retrains=PeriodicWorker(
            "retrain", RETRAINS_EVERY_S, app.app_context, partial(run_pending, workshop)
        ),
        workshop=workshop,
        lookout=PeriodicWorker(
            "lookout",
            LOOK_EVERY_S,
            app.app_context,
            partial(run_all, _watched(config, inference)),
        ),
        mail=PeriodicWorker(
            "mail", MAIL_EVERY_S, app.app_context, mailer.deliver, stop_timeout_s=1.0
        ),
    )


def _watched(config: Config, inference: InferenceService) -> list[Task]:
    """What deployments, guards, the world, limits and age ask for, in this order."""
    retention = Retention(config.retention_days, config.database_file)
    counting = RateLimitMonitor(rate_limits.is_using_fallback)
    return [
        inference.reload,
        guarded_rollout.evaluate_all,
        DriftMonitor().check,
        counting.check,
        retention.run,
    ]


def _keys(config: Config) -> SigningKeys:
    files = None
    if config.jwt_key_file is not None:
        files = KeyFiles(config.jwt_key_file, config.max_token_lifetime)
    return SigningKeys(config.jwt_secret_key, config.jwt_previous_keys, files)


def _flask_settings(config: Config) -> dict[str, object]:
    return {
        "SECRET_KEY": config.secret_key,
        "MAX_CONTENT_LENGTH": MAX_BATCH_BODY_BYTES,
        "SQLALCHEMY_DATABASE_URI": config.database_url,
        "SQLALCHEMY_ENGINE_OPTIONS": engine_options(
            config.database_url, config.web_threads - config.live_sockets
        ),
        "SQLALCHEMY_BINDS": {
            BATCH_BIND: {"url": config.database_url} | batch_engine_options(config.database_url)
        },
        "JWT_ALGORITHM": "HS256",
        "JWT_ACCESS_TOKEN_EXPIRES": timedelta(minutes=config.access_token_minutes),
        "JWT_REFRESH_TOKEN_EXPIRES": timedelta(days=config.refresh_token_days),
        "JWT_TOKEN_LOCATION": ["headers"],
        "JWT_REFRESH_COOKIE_NAME": refresh_cookie.NAME,
        "JWT_COOKIE_CSRF_PROTECT": False,  # cookies.is_sent looks at the origin
        "RATELIMIT_ENABLED": config.ratelimit_enabled,
        "RATELIMIT_STORAGE_URI": rate_limit_storage.storage_uri(config.redis_url),
        "MAIL_SERVER": config.mail_server,
        "MAIL_PORT": config.mail_port,
        "MAIL_USERNAME": config.mail_username,
        "MAIL_PASSWORD": config.mail_password,
        "MAIL_USE_TLS": config.mail_use_tls,
        "MAIL_DEFAULT_SENDER": config.mail_default_sender,
        "BABEL_TRANSLATION_DIRECTORIES": str(ROOT / "app" / "web" / "translations"),
    }


def _trust(app: Flask, config: Config) -> None:
    """Believe the proxies and the origins that were named, and no others."""
    if config.trusted_proxies:
        hops = config.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]
    if config.cors_origins:
        CORS(app, origins=list(config.cors_origins), expose_headers=EXPOSED_HEADERS)
    if "*" in config.cors_origins:
        _log.warning("CORS_ORIGINS is *: pages of any site may call this API")
