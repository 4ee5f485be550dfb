"""Create the application: the factory registers everything."""

import logging
from datetime import timedelta

from flask import Flask
from flask_cors import CORS
from werkzeug.middleware.proxy_fix import ProxyFix

from app import cli, smtp
from app.api.fastpath import fallback
from app.api.fastpath.middleware import FastPath
from app.api.http import error_handlers, rate_limit_storage, refresh_cookie, request_logging
from app.api.http.authentication import jwt
from app.api.http.container import init_container
from app.api.http.json_provider import DisabledSessions, OrjsonProvider
from app.api.http.rate_limits import is_using_fallback, limiter
from app.api.http.request_parsing import MAX_BATCH_BODY_BYTES
from app.api.views import BLUEPRINTS, health
from app.api.views.metrics import DatabaseCollector
from app.live.live_server import LiveServer
from app.store.engine import auth_changes
from app.store.engine.database_file import DatabaseFile
from app.store.engine.db import (
    BATCH_BIND,
    batch_engine_options,
    configure_engines,
    db,
    engine_options,
)
from app.web import language, pages
from config import ROOT, Config

EXPOSED_HEADERS = [
    "Retry-After",
    "X-Request-ID",
    "Location",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
]

_log = logging.getLogger(__name__)


def create_app(config: Config, *, live: bool = True) -> Flask:
    """Create and configure the application; connect to nothing and start no thread yet.

    Without `live` it accepts no live connections: another service does.
    """
    app = Flask("app", instance_path=str(config.data_dir), static_folder=None)
    app.config.from_mapping(_flask_settings(config))
    app.json, app.session_interface = OrjsonProvider(app), DisabledSessions()
    db.init_app(app)
    database_file = None if config.database_file is None else DatabaseFile(config.database_file)
    with app.app_context():
        configure_engines(database_file)
    container = init_container(app, config, database_file, is_using_fallback)
    container.request_metrics.registry.register(DatabaseCollector())
    # The order of what runs before a request: log it, answer a fallback, reject, limit.
    request_logging.register(app, container.request_metrics)
    fallback.register(app)
    if config.is_live_only:
        app.before_request(health.reject_other_routes)
    error_handlers.register(app)
    for extension in (jwt, limiter, smtp.mail):
        extension.init_app(app)
    language.babel.init_app(app, locale_selector=language.chosen)
    for blueprint in (*BLUEPRINTS, pages.blueprint):
        app.register_blueprint(blueprint)
    cli.register(app)
    if live:
        live_server = LiveServer(app, config)
        container.request_metrics.add_gauge(
            "cifra_live_connections", "Live connections that are open.", live_server.count_open
        )
    _trust_proxies_and_origins(app, config)  # live connections too: they are limited by address
    if not config.is_live_only:
        app.wsgi_app = FastPath(app, container)  # type: ignore[method-assign]
    auth_changes.track_changes(db.session)
    return app


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
        "JWT_COOKIE_CSRF_PROTECT": False,  # refresh_cookie.is_present checks the origin
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


def _trust_proxies_and_origins(app: Flask, config: Config) -> None:
    """Trust the proxies and origins named in the settings, and no others."""
    if config.trusted_proxies:
        hops = config.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]
    if config.cors_origins:
        CORS(app, origins=list(config.cors_origins), expose_headers=EXPOSED_HEADERS)
    if "*" in config.cors_origins:
        _log.warning("CORS_ORIGINS is *: pages of any site may call this API")
