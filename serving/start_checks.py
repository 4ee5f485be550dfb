"""What is done once, at a start: the umask, and checks that the address and DATA_DIR are free."""

import errno
import fcntl
import os
import socket
import time
from dataclasses import dataclass

from config import Config, ConfigError

LOCK_FILE = "server.lock"
PORT_TIMEOUT_S = 5.0  # the workers of a server that was killed take a moment to end

_locks: list[int | None] = []  # what check_start returned, once it has run in this process
_RETRY_S = 0.1


@dataclass(frozen=True)
class Address:
    """An address to listen on: its family, and what `socket.bind` takes."""

    family: socket.AddressFamily
    sockaddr: tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]

    def bind(self, *, share_port: bool = False) -> socket.socket:
        """Return a socket that is bound to the address. Raises OSError."""
        bound = socket.socket(self.family, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if share_port:
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            bound.bind(self.sockaddr)
        except OSError:
            bound.close()
            raise
        return bound


def keep_files_private() -> None:
    """Let only this user access what this process and its children create.

    DATA_DIR may be a folder that others can enter. Call it before anything is created there.
    """
    os.umask(0o077)


def check_start(config: Config) -> int | None:
    """Check what only a start can find out, once in a process: a reload comes here again.

    Raises ConfigError. Return the descriptor of the lock on DATA_DIR, if there is one.
    """
    if not _locks:
        lock = lock_data_dir(config)
        # Unless another process opened the sockets: gunicorn itself on SIGUSR2, or systemd.
        if not {"GUNICORN_FD", "LISTEN_FDS"} & os.environ.keys():
            check_address(config)
        _locks.append(lock)
    return _locks[0]


def check_address(config: Config) -> Address:
    """Return the address that HOST and PORT name, once a server can listen on it.

    Raises ConfigError if none can. A port in use is tried again for a few seconds.
    """
    address = _resolve(config.host, config.port)
    deadline_s = time.monotonic() + PORT_TIMEOUT_S
    while True:
        try:
            address.bind().close()
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline_s:
                raise ConfigError(_bind_advice(config, error)) from error
            time.sleep(_RETRY_S)
        else:
            return address


def _resolve(host: str, port: int) -> Address:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise ConfigError(
            f"HOST must be an address of this machine or a name that resolves to one, such as"
            f" 127.0.0.1, 0.0.0.0 or localhost, not {host!r}"
        ) from error
    family, _, _, _, sockaddr = found[0]
    return Address(family, sockaddr)


def _bind_advice(config: Config, error: OSError) -> str:
    """Return what arrived, what is wrong with it, and what to do."""
    if error.errno == errno.EADDRINUSE:
        return (
            f"PORT {config.port} of {config.host} is in use by another program;"
            " stop that, or set PORT to a free one"
        )
    if error.errno == errno.EACCES:
        return (
            f"PORT {config.port} may not be used by this user;"
            " set PORT to 1024 or above, and let a proxy listen on the lower one"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return (
            f"HOST {config.host!r} is not an address of this machine;"
            " set HOST to one that is, or to 0.0.0.0 for all of them"
        )
    return f"HOST {config.host!r} and PORT {config.port} cannot be used: {error.strerror}"


def lock_data_dir(config: Config) -> int | None:
    """Keep other servers off DATA_DIR if limits are counted in this process.

    Raises ConfigError if one runs on it: every limit would be counted twice. Return the descriptor
    of the lock, which ends with this process; its children close theirs. The live service counts
    no requests, and with REDIS_URL all servers count in one place, so they take no lock.
    """
    if config.is_live_only or config.redis_url is not None:
        return None
    path = config.data_dir / LOCK_FILE
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigError(
            f"DATA_DIR {config.data_dir} cannot be written: {error.strerror};"
            " make it writable for this user, or set DATA_DIR to another folder"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise ConfigError(
            f"DATA_DIR {config.data_dir} is in use by another server, and each would count rate"
            " limits by itself; stop that one, set another DATA_DIR, or set REDIS_URL"
        ) from error
    return lock
