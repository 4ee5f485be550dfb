"""Cifra: two versions of a digit classifier behind one API; this module wires it together."""

import logging
import re
from datetime import timedelta

from flask import Flask, Response, g, request
from flask_cors import CORS
from flask_migrate import Migrate
from uuid_utils.compat import uuid7
from werkzeug.middleware.proxy_fix import ProxyFix

from app import cli
from app.api import (
    ab,
    auth,
    errors,
    experiments,
    feedback,
    health,
    history,
    report,
    retrain,
    review,
    users,
    v1,
    v2,
)
from app.api.bodies import MAX_BATCH_BODY_BYTES
from app.api.identity import jwt
from app.api.limits import limiter
from app.api.parts import Parts, attach
from app.services.experiments import Splits
from app.services.inference import InferenceService
from app.services.passwords import PasswordHasher
from app.services.retraining import Supervisor
from app.store.db import db, engine_options, prepare_engine
from config import ROOT, Config

BLUEPRINTS = (
    *(v1.blueprint, v2.blueprint, ab.blueprint),
    *(auth.blueprint, feedback.blueprint, history.blueprint),
    *(report.blueprint, experiments.blueprint, review.blueprint),
    *(retrain.blueprint, users.blueprint, health.blueprint),
)

EXPOSED_HEADERS = [
    *("Retry-After", "X-Request-ID", "Location"),
    *("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"),
]

_PLAIN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_log = logging.getLogger(__name__)


def create_app(config: Config) -> Flask:
    """Wire an application together; it connects to nothing and starts no thread before its use."""
    app = Flask(__name__, instance_path=str(config.data_dir), static_folder=None)
    app.config.from_mapping(_flask_settings(config))
    app.json.ensure_ascii = False  # type: ignore[attr-defined]  # of Flask's default JSON provider
    app.json.sort_keys = False  # type: ignore[attr-defined]
    attach(app, _parts(app, config))
    app.before_request(_name_request)
    app.after_request(_sign)
    errors.register(app)
    for extension in (db, jwt, limiter):
        extension.init_app(app)
    Migrate(app, db, directory=str(ROOT / "migrations"))
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    cli.register(app)
    _trust(app, config)
    with app.app_context():
        prepare_engine(db.engine)
    return app


def _parts(app: Flask, config: Config) -> Parts:
    return Parts(
        config=config,
        hasher=PasswordHasher(config.bcrypt_rounds),
        inference=InferenceService(),
        splits=Splits(),
        retrains=Supervisor(app.app_context),
    )


def _flask_settings(config: Config) -> dict[str, object]:
    return {
        "SECRET_KEY": config.secret_key,
        "MAX_CONTENT_LENGTH": MAX_BATCH_BODY_BYTES,
        "SQLALCHEMY_DATABASE_URI": config.database_url,
        "SQLALCHEMY_ENGINE_OPTIONS": engine_options(config.database_url, config.web_threads),
        "JWT_SECRET_KEY": config.jwt_secret_key,
        "JWT_ACCESS_TOKEN_EXPIRES": timedelta(minutes=config.access_token_minutes),
        "JWT_REFRESH_TOKEN_EXPIRES": timedelta(days=config.refresh_token_days),
        "JWT_TOKEN_LOCATION": ["headers"],
        "RATELIMIT_ENABLED": config.ratelimit_enabled,
        "RATELIMIT_DEFAULT": config.ratelimit_default,
        "RATELIMIT_STORAGE_URI": "memory://",
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


def _name_request() -> None:
    sent = request.headers.get("X-Request-ID", "")
    g.request_id = sent if _PLAIN_ID.fullmatch(sent) else uuid7().hex


def _sign(response: Response) -> Response:
    response.headers["X-Request-ID"] = g.get("request_id", "")
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
