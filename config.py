"""All settings, read from the environment once; nothing else in Cifra reads os.environ.

An invalid or missing value stops the start with one line that names it. docs/CONFIGURATION.md
contains the table of these settings; tests/integration/test_config.py compares the two.
"""

import contextlib
import ipaddress
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Self
from urllib.parse import urlsplit

from limits import parse_many
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

ROOT = Path(__file__).parent
MIN_SECRET_BYTES = 32
MIN_REQUEST_THREADS = 2

_REDIS = re.compile(r"rediss?://[^\s/]+(/[0-9]+)?")
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?")


NEW_INSTALLATION = "new_installation"  # a file in DATA_DIR until its first database is created
_TRACES = ("secret_key", "jwt_secret_key", "jwt_retired_keys", "admin_password", "start.lock")

_SECRETS = (
    "SECRET_KEY",
    "JWT_SECRET_KEY",
    "JWT_PREVIOUS_KEYS",
    "ADMIN_PASSWORD",
    "DATABASE_URL",
    "PGPASSWORD",
    "REDIS_URL",
    "MAIL_PASSWORD",
)


def child_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment for a child process, without the secrets, which it does not need."""
    return {name: value for name, value in environ.items() if name not in _SECRETS}


class ConfigError(SystemExit):
    """An invalid setting; ends the program with its message on one line."""

    def __init__(self, message: str) -> None:
        super().__init__(f"cifra: {message}")


@dataclass(frozen=True)
class Config:
    """The validated settings of one process."""

    host: str
    port: int
    data_dir: Path
    database_url: str
    redis_url: str | None
    secret_key: str
    jwt_secret_key: str
    jwt_previous_keys: tuple[str, ...]
    jwt_key_file: Path | None
    access_token_minutes: int
    refresh_token_days: int
    admin_username: str
    admin_password: str | None
    registration_open: bool
    bcrypt_rounds: int
    web_workers: int
    web_threads: int
    drain_time_s: int
    live_sockets: int
    request_header_timeout_s: int
    request_body_timeout_s: int
    ratelimit_enabled: bool
    ratelimit_default: str
    ratelimit_v1: str
    ratelimit_v2: str
    ratelimit_batch: str
    ratelimit_login: str
    ratelimit_read: str
    ratelimit_review: str
    retention_days: int | None
    retrain_steps: int
    disk_reserve_mb: int
    retrain_threads: int
    retrain_time_limit_s: int
    trusted_proxies: int
    cors_origins: tuple[str, ...]
    mail_server: str | None
    mail_port: int
    mail_username: str | None
    mail_password: str | None
    mail_use_tls: bool
    mail_default_sender: str
    log_format: str
    log_level: str
    is_live_only: bool

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read and validate the environment; create DATA_DIR and, on SQLite, the secrets.

        Raise ConfigError if a setting is invalid.
        """
        env = _Environment(environ)
        data_dir = _resolve_folder(env.text("DATA_DIR", str(ROOT / "instance")))
        database_url = _resolve_database_url(env.text("DATABASE_URL", "sqlite:///app.db"), data_dir)
        secret_store = _secret_store(data_dir, database_url)
        if secret_store is not None:
            _mark_new_installation(secret_store)
        redis_url = env.redis("REDIS_URL")
        live_sockets = env.integer("LIVE_SOCKETS", 64, minimum=0, maximum=1_000)
        return cls(
            host=env.text("HOST", "127.0.0.1"),
            port=env.integer("PORT", 5000, minimum=1, maximum=65_535),
            data_dir=data_dir,
            database_url=database_url,
            redis_url=redis_url,
            secret_key=env.secret("SECRET_KEY", secret_store),
            jwt_secret_key=env.secret("JWT_SECRET_KEY", secret_store),
            jwt_previous_keys=env.secrets("JWT_PREVIOUS_KEYS"),
            jwt_key_file=env.secret_file("JWT_SECRET_KEY", secret_store),
            access_token_minutes=env.integer("ACCESS_TOKEN_MINUTES", 60),
            refresh_token_days=env.integer("REFRESH_TOKEN_DAYS", 30),
            admin_username=env.text("ADMIN_USERNAME", "admin"),
            admin_password=env.raw("ADMIN_PASSWORD") or None,
            registration_open=env.choice("REGISTRATION", ("open", "closed")) == "open",
            bcrypt_rounds=env.integer("BCRYPT_ROUNDS", 12, minimum=4, maximum=16),
            web_workers=check_workers(env.integer("WEB_WORKERS", 1, maximum=256), redis_url),
            live_sockets=live_sockets,
            request_header_timeout_s=env.integer("REQUEST_HEADER_TIMEOUT_S", 10, maximum=60),
            request_body_timeout_s=env.integer("REQUEST_BODY_TIMEOUT_S", 15, maximum=3_600),
            web_threads=_check_threads(env.integer("WEB_THREADS", live_sockets + 16), live_sockets),
            drain_time_s=env.integer("DRAIN_TIME_S", 5, minimum=0, maximum=3_600),
            ratelimit_enabled=env.choice("RATELIMIT_ENABLED", ("true", "false")) == "true",
            ratelimit_default=env.limits("RATELIMIT_DEFAULT", "200 per day;50 per hour"),
            ratelimit_v1=env.limits("RATELIMIT_V1", "100 per day"),
            ratelimit_v2=env.limits("RATELIMIT_V2", "150 per day"),
            ratelimit_batch=env.limits("RATELIMIT_BATCH", "1000 per day"),
            ratelimit_login=env.limits("RATELIMIT_LOGIN", "20 per minute;200 per hour"),
            ratelimit_read=env.limits("RATELIMIT_READ", "240 per minute"),
            ratelimit_review=env.limits("RATELIMIT_REVIEW", "240 per minute"),
            retention_days=env.optional_integer("RETENTION_DAYS"),
            retrain_steps=env.integer("RETRAIN_STEPS", 600, minimum=50, maximum=10_000),
            disk_reserve_mb=env.integer("DISK_RESERVE_MB", 64, minimum=0, maximum=1_000_000),
            retrain_threads=env.integer("RETRAIN_THREADS", max(1, (os.cpu_count() or 1) // 2)),
            retrain_time_limit_s=env.integer("RETRAIN_TIME_LIMIT_S", 900),
            trusted_proxies=env.integer("TRUSTED_PROXIES", 0, minimum=0, maximum=10),
            cors_origins=env.origins("CORS_ORIGINS"),
            mail_server=env.host("MAIL_SERVER"),
            mail_port=env.integer("MAIL_PORT", 25, minimum=1, maximum=65_535),
            mail_username=env.raw("MAIL_USERNAME") or None,
            mail_password=env.raw("MAIL_PASSWORD") or None,
            mail_use_tls=env.choice("MAIL_USE_TLS", ("false", "true")) == "true",
            mail_default_sender=env.single_line("MAIL_DEFAULT_SENDER", "cifra@localhost"),
            log_format=env.choice("LOG_FORMAT", ("text", "json")),
            log_level=env.choice("LOG_LEVEL", ("info", "debug")),
            is_live_only=env.choice("ROLE", ("all", "live")) == "live",
        )

    @property
    def database_file(self) -> Path | None:
        """Return the SQLite file; None if the database is a server."""
        url = make_url(self.database_url)
        return Path(url.database or "") if url.drivername == "sqlite" else None

    @property
    def runs_training(self) -> bool:
        """Return whether servers run retrain jobs, or leave them to `make worker`."""
        return self.redis_url is None

    @property
    def database_url_without_password(self) -> str:
        """Return the database URL in the form that other programs accept, without the password."""
        url = make_url(self.database_url).difference_update_query(["password"])
        bare = url._replace(password=None)  # in URL.set, None means unchanged
        return bare.set(drivername=url.get_backend_name()).render_as_string()

    @property
    def max_token_lifetime(self) -> timedelta:
        """Return the lifetime of the longest-lived token."""
        access = timedelta(minutes=self.access_token_minutes)
        return max(access, timedelta(days=self.refresh_token_days))

    @property
    def address(self) -> str:
        """Return where the server listens, as host:port."""
        return f"[{self.host}]:{self.port}" if _is_ipv6(self.host) else f"{self.host}:{self.port}"


class _Environment:
    """Reads values by name and type; an empty value counts as missing."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str, default: str) -> str:
        return self.raw(name).strip() or default

    def single_line(self, name: str, default: str) -> str:
        value = self.text(name, default)
        if not value.isprintable():
            raise ConfigError(f"{name} must be one line of printable characters")
        return value

    def host(self, name: str) -> str | None:
        value = self.text(name, "")
        if "/" in value or len(value.split()) > 1:
            raise ConfigError(f"{name} must be a host name or an address, not {value!r}")
        return value or None

    def raw(self, name: str) -> str:
        value = self._environ.get(name, "")
        if not _is_unicode(value):
            raise ConfigError(f"{name} must be text in UTF-8; it has bytes that are not")
        return value

    def integer(self, name: str, default: int, minimum: int = 1, maximum: int = 100_000) -> int:
        value = self.text(name, str(default))
        if not re.fullmatch("[0-9]{1,9}", value) or not minimum <= int(value) <= maximum:
            raise ConfigError(
                f"{name} must be an integer from {minimum} to {maximum}, not {value[:40]!r}"
            )
        return int(value)

    def optional_integer(self, name: str) -> int | None:
        return self.integer(name, 1) if self.text(name, "") else None

    def choice(self, name: str, choices: tuple[str, str]) -> str:
        value = self.text(name, choices[0]).lower()
        if value not in choices:
            raise ConfigError(f"{name} must be {choices[0]} or {choices[1]}, not {value!r}")
        return value

    def limits(self, name: str, default: str) -> str:
        value = self.text(name, default)
        try:
            parse_many(value)
        except ValueError as error:
            raise ConfigError(
                f"{name} must be limits such as {default!r}, not {value!r}"
            ) from error
        return value

    def redis(self, name: str) -> str | None:
        value = self.text(name, "")
        if value and not (_REDIS.fullmatch(value) and _has_valid_port(value)):
            raise ConfigError(f"{name} must be redis://HOST:PORT/NUMBER, or rediss:// with TLS")
        return value or None

    def origins(self, name: str) -> tuple[str, ...]:
        origins = tuple(self.text(name, "").replace(",", " ").split())
        for origin in origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ConfigError(
                    f"{name} must be * or origins such as https://a.org, not {origin!r}"
                )
        return origins

    def secret(self, name: str, store: Path | None) -> str:
        value = self.raw(name)
        if not value:
            if store is None:
                raise ConfigError(f"{name} must be set when DATABASE_URL is not SQLite")
            return _load_or_create_secret(store / name.lower())
        return _require_long_secret(name, value)

    def secrets(self, name: str) -> tuple[str, ...]:
        values = self.text(name, "").replace(",", " ").split()
        return tuple(_require_long_secret(name, value) for value in values)

    def secret_file(self, name: str, store: Path | None) -> Path | None:
        """Return the file of a generated secret; None if the secret is set."""
        return None if store is None or self.raw(name) else store / name.lower()


def _require_long_secret(name: str, secret: str) -> str:
    if len(secret.encode()) < MIN_SECRET_BYTES:
        raise ConfigError(f"{name} must be at least {MIN_SECRET_BYTES} bytes long")
    return secret


def _resolve_database_url(text: str, data_dir: Path) -> str:
    """Add the driver if the URL names none, and make the path of a file absolute in DATA_DIR."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise ConfigError("DATABASE_URL is not an SQLAlchemy URL") from error
    if url.drivername in {"postgres", "postgresql", "postgresql+psycopg"}:
        return url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    if url.drivername != "sqlite":
        raise ConfigError("DATABASE_URL must begin with sqlite:// or postgresql://")
    if not url.database or url.database.startswith((":memory:", "file:")):
        raise ConfigError("DATABASE_URL must name a file: a database in memory loses all data")
    return URL.create("sqlite", database=str(data_dir / url.database)).render_as_string()


def check_workers(workers: int, redis_url: str | None) -> int:
    """Return the number of workers. Raise ConfigError if each would count limits by itself."""
    if workers > 1 and redis_url is None:
        raise ConfigError(
            "WEB_WORKERS must be 1 without REDIS_URL: each process would count limits by"
            " itself, so two workers would allow twice as many requests"
        )
    return workers


def _check_threads(threads: int, live_sockets: int) -> int:
    """Require threads for requests: an open live connection occupies one all the time."""
    if threads < live_sockets + MIN_REQUEST_THREADS:
        raise ConfigError(
            f"WEB_THREADS must be at least {live_sockets + MIN_REQUEST_THREADS}:"
            f" LIVE_SOCKETS ({live_sockets}) and {MIN_REQUEST_THREADS} for requests"
        )
    return threads


def _resolve_folder(text: str) -> Path:
    try:
        return Path(text).resolve()
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead to each other
        raise ConfigError(f"DATA_DIR must be a folder; {text[:80]!r} is none: {error}") from error


def _secret_store(data_dir: Path, database_url: str) -> Path | None:
    """Return the folder for generated secrets, created if needed; None if they must be set."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror
        if isinstance(error, FileExistsError | NotADirectoryError):
            reason = "there is a file of that name"
        raise ConfigError(
            f"DATA_DIR {str(data_dir)[:100]} cannot be created: {reason};"
            " set DATA_DIR to a folder that this user can write"
        ) from error
    return data_dir if database_url.startswith("sqlite") else None


def _mark_new_installation(data_dir: Path) -> None:
    """Mark a folder in which nothing was ever started, before anything else is created in it.

    The secrets of a folder without this mark had a database, which a start must not replace by an
    empty one (app/bootstrap.py).
    """
    if not any((data_dir / name).exists() for name in _TRACES):
        with contextlib.suppress(OSError):  # what is created next says why this fails
            (data_dir / NEW_INSTALLATION).touch()


def _load_or_create_secret(path: Path) -> str:
    """Read a generated secret, or create it with mode 600; concurrent starts get the same one."""
    try:
        if not path.exists():
            _create_secret(path)
        secret = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read or written: {error.strerror};"
            " make DATA_DIR and its files accessible to this user"
        ) from error
    except UnicodeDecodeError:
        secret = ""
    if len(secret.encode()) < MIN_SECRET_BYTES:
        raise ConfigError(
            f"{path} is damaged: it must be one line of at least {MIN_SECRET_BYTES} bytes of text;"
            " restore it from a backup, or delete it: a new one is generated, and all logins end"
        )
    return secret


def _create_secret(path: Path) -> None:
    """Write the secret to a temporary file, then link it, unless another process was faster.

    So no process can read an incomplete secret, and the first one linked is the one that all use.
    """
    with NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}-") as file:
        file.write(secrets.token_urlsafe(48))
        file.flush()
        os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(file.name)


def _is_ipv6(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False


def _is_unicode(text: str) -> bool:
    """Return whether the text of an environment variable was UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _has_valid_port(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
