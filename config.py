"""Every setting, read from the environment once; nothing else in Cifra reads os.environ.

A bad or missing value stops the start with one line that names it. README.md holds the table of
these settings for people; a test keeps the two the same.
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

from limits import parse_many
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

ROOT = Path(__file__).parent
MIN_SECRET_BYTES = 32
MIN_REQUEST_THREADS = 2

_REDIS = re.compile(r"rediss?://[^\s/]+(/[0-9]+)?")
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?")


_SECRETS = (
    *("SECRET_KEY", "JWT_SECRET_KEY", "JWT_PREVIOUS_KEYS", "ADMIN_PASSWORD"),
    *("DATABASE_URL", "PGPASSWORD", "REDIS_URL", "MAIL_PASSWORD"),
)


def child_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of a child process that works with files alone."""
    return {name: value for name, value in environ.items() if name not in _SECRETS}


class ConfigError(SystemExit):
    """A setting that Cifra cannot start with; ends the program with its message on one line."""

    def __init__(self, message: str) -> None:
        super().__init__(f"cifra: {message}")


@dataclass(frozen=True)
class Config:
    """The settings of one process, checked."""

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
    live_sockets: int
    ratelimit_enabled: bool
    ratelimit_default: str
    ratelimit_v1: str
    ratelimit_v2: str
    ratelimit_batch: str
    ratelimit_login: str
    ratelimit_read: str
    ratelimit_review: str
    retention_days: int | None
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
        """Read and check the environment; makes DATA_DIR and, in embedded mode, the secrets.

        Raises ConfigError.
        """
        env = _Environment(environ)
        data_dir = Path(env.text("DATA_DIR", str(ROOT / "instance"))).resolve()
        database_url = _resolve_database_url(env.text("DATABASE_URL", "sqlite:///app.db"), data_dir)
        secret_store = _secret_store(data_dir, database_url)
        redis_url = env.redis("REDIS_URL")
        sockets = env.whole("LIVE_SOCKETS", 64, lowest=0, highest=1_000)
        return cls(
            host=env.text("HOST", "127.0.0.1"),
            port=env.whole("PORT", 5000, lowest=1, highest=65_535),
            data_dir=data_dir,
            database_url=database_url,
            redis_url=redis_url,
            secret_key=env.secret("SECRET_KEY", secret_store),
            jwt_secret_key=env.secret("JWT_SECRET_KEY", secret_store),
            jwt_previous_keys=env.secrets("JWT_PREVIOUS_KEYS"),
            jwt_key_file=env.kept("JWT_SECRET_KEY", secret_store),
            access_token_minutes=env.whole("ACCESS_TOKEN_MINUTES", 60),
            refresh_token_days=env.whole("REFRESH_TOKEN_DAYS", 30),
            admin_username=env.text("ADMIN_USERNAME", "admin"),
            admin_password=env.exact("ADMIN_PASSWORD") or None,
            registration_open=env.choice("REGISTRATION", ("open", "closed")) == "open",
            bcrypt_rounds=env.whole("BCRYPT_ROUNDS", 12, lowest=4, highest=16),
            web_workers=_check_workers(env.whole("WEB_WORKERS", 1, highest=256), redis_url),
            live_sockets=sockets,
            web_threads=_check_threads(env.whole("WEB_THREADS", sockets + 16), sockets),
            ratelimit_enabled=env.choice("RATELIMIT_ENABLED", ("true", "false")) == "true",
            ratelimit_default=env.limits("RATELIMIT_DEFAULT", "200 per day;50 per hour"),
            ratelimit_v1=env.limits("RATELIMIT_V1", "100 per day"),
            ratelimit_v2=env.limits("RATELIMIT_V2", "150 per day"),
            ratelimit_batch=env.limits("RATELIMIT_BATCH", "1000 per day"),
            ratelimit_login=env.limits("RATELIMIT_LOGIN", "20 per minute;200 per hour"),
            ratelimit_read=env.limits("RATELIMIT_READ", "240 per minute"),
            ratelimit_review=env.limits("RATELIMIT_REVIEW", "240 per minute"),
            retention_days=env.optional_integer("RETENTION_DAYS"),
            retrain_threads=env.whole("RETRAIN_THREADS", max(1, (os.cpu_count() or 1) // 2)),
            retrain_time_limit_s=env.whole("RETRAIN_TIME_LIMIT_S", 900),
            trusted_proxies=env.whole("TRUSTED_PROXIES", 0, lowest=0, highest=10),
            cors_origins=env.origins("CORS_ORIGINS"),
            mail_server=env.exact("MAIL_SERVER") or None,
            mail_port=env.whole("MAIL_PORT", 25, lowest=1, highest=65_535),
            mail_username=env.exact("MAIL_USERNAME") or None,
            mail_password=env.exact("MAIL_PASSWORD") or None,
            mail_use_tls=env.choice("MAIL_USE_TLS", ("false", "true")) == "true",
            mail_default_sender=env.line("MAIL_DEFAULT_SENDER", "cifra@localhost"),
            log_format=env.choice("LOG_FORMAT", ("text", "json")),
            log_level=env.choice("LOG_LEVEL", ("info", "debug")),
            is_live_only=env.choice("ROLE", ("all", "live")) == "live",
        )

    @property
    def database_file(self) -> Path | None:
        """The SQLite file; None where the database is a server."""
        url = make_url(self.database_url)
        return Path(url.database or "") if url.drivername == "sqlite" else None

    @property
    def runs_training(self) -> bool:
        """Whether servers train what is asked for, or leave it to `make worker`."""
        return self.redis_url is None

    @property
    def database_url_without_password(self) -> str:
        """The database's URL as other programs take it, without the password."""
        url = make_url(self.database_url).difference_update_query(["password"])
        bare = url._replace(password=None)  # URL.set takes None for "as it is"
        return bare.set(drivername=url.get_backend_name()).render_as_string()

    @property
    def max_token_lifetime(self) -> timedelta:
        """How long a token is good at most."""
        access = timedelta(minutes=self.access_token_minutes)
        return max(access, timedelta(days=self.refresh_token_days))

    @property
    def address(self) -> str:
        """Where the server listens, as host:port."""
        return f"[{self.host}]:{self.port}" if _is_ipv6(self.host) else f"{self.host}:{self.port}"


class _Environment:
    """Reads values by name and type; an empty value counts as a missing one."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str, default: str) -> str:
        return self._environ.get(name, "").strip() or default

    def line(self, name: str, default: str) -> str:
        value = self.text(name, default)
        if not value.isprintable():
            raise ConfigError(f"{name} must be one line of printable characters")
        return value

    def exact(self, name: str) -> str:
        return self._environ.get(name, "")

    def whole(self, name: str, default: int, lowest: int = 1, highest: int = 100_000) -> int:
        value = self.text(name, str(default))
        if not value.isascii() or not value.isdigit() or not lowest <= int(value) <= highest:
            raise ConfigError(
                f"{name} must be a whole number from {lowest} to {highest}, not {value!r}"
            )
        return int(value)

    def optional_integer(self, name: str) -> int | None:
        return self.whole(name, 1) if self.text(name, "") else None

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
        if value and not _REDIS.fullmatch(value):
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
        value = self.exact(name)
        if not value:
            if store is None:
                raise ConfigError(f"{name} must be set when DATABASE_URL is not SQLite")
            return _load_or_create_secret(store / name.lower())
        return _require_long_secret(name, value)

    def secrets(self, name: str) -> tuple[str, ...]:
        given = self.text(name, "").replace(",", " ").split()
        return tuple(_require_long_secret(name, value) for value in given)

    def kept(self, name: str, store: Path | None) -> Path | None:
        """The file of a secret that was made; None for one that is given."""
        return None if store is None or self.exact(name) else store / name.lower()


def _require_long_secret(name: str, secret: str) -> str:
    if len(secret.encode()) < MIN_SECRET_BYTES:
        raise ConfigError(f"{name} must be at least {MIN_SECRET_BYTES} bytes long")
    return secret


def _resolve_database_url(written: str, data_dir: Path) -> str:
    """Name the driver where the URL leaves it open, and the file in full, from DATA_DIR on."""
    try:
        url = make_url(written)
    except (ArgumentError, ValueError) as error:
        raise ConfigError("DATABASE_URL is not an SQLAlchemy URL") from error
    if url.drivername in {"postgres", "postgresql", "postgresql+psycopg"}:
        return url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    if url.drivername != "sqlite":
        raise ConfigError("DATABASE_URL must begin with sqlite:// or postgresql://")
    if not url.database or url.database.startswith((":memory:", "file:")):
        raise ConfigError("DATABASE_URL must name a file: a database in memory loses every word")
    return URL.create("sqlite", database=str(data_dir / url.database)).render_as_string()


def _check_workers(workers: int, redis_url: str | None) -> int:
    if workers > 1 and redis_url is None:
        raise ConfigError(
            "WEB_WORKERS must be 1 without REDIS_URL: limits are counted in the process, so two"
            " workers would let every client have twice as much"
        )
    return workers


def _check_threads(threads: int, sockets: int) -> int:
    """A socket holds a thread for as long as it is open: the others are left for requests."""
    if threads < sockets + MIN_REQUEST_THREADS:
        raise ConfigError(
            f"WEB_THREADS must be at least {sockets + MIN_REQUEST_THREADS}:"
            f" LIVE_SOCKETS ({sockets}) and {MIN_REQUEST_THREADS} for requests"
        )
    return threads


def _secret_store(data_dir: Path, database_url: str) -> Path | None:
    """The folder that keeps generated secrets, made if need be; None where they must be given."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"DATA_DIR {data_dir} cannot be made: {error.strerror}") from error
    return data_dir if database_url.startswith("sqlite") else None


def _load_or_create_secret(path: Path) -> str:
    """Read a generated secret, or make it with mode 600; two starts at once agree on one."""
    try:
        if not path.exists():
            _create_secret(path)
        secret = path.read_text().strip()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read or written: {error.strerror}") from error
    if len(secret) < MIN_SECRET_BYTES:
        raise ConfigError(f"{path} is damaged; delete it to have a new secret made")
    return secret


def _create_secret(path: Path) -> None:
    """Write a whole secret under another name, then give it its own if nobody was faster."""
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
