"""Serve the HTTP routes with granian: `python serve_granian.py`.

It accepts no live connections: dashboards connect to the service of `make serve-live`. Apart from
that it is the application that gunicorn.conf.py serves in one process; granian's own cost for each
request is a third of gunicorn's.

granian runs each worker; this module decides when workers start and stop, so that nothing is
dropped: the parent holds the listening sockets, on which connections wait while a worker is
replaced, and a reload stops a worker once its successor has started.
"""

import gc
import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from multiprocessing.synchronize import Event
from types import FrameType
from typing import Any

from flask import Flask
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.net import SocketHolder

from config import Config, check_workers
from logging_config import configure_logging, logging_settings
from serving.deadlines import Deadlines
from serving.drain import Drain
from serving.granian_bodies import MAX_WAITING_BODIES, BodyDeadlines
from serving.request_buffer import MAX_HEAD_BYTES
from serving.signals import handle_signals_of_any_thread
from serving.start_checks import Address, check_address, keep_files_private, lock_data_dir
from serving.worker_process import (
    START_FAILED,
    end_with_parent,
    raise_open_files_limit,
    use_one_thread_for_arrays,
)

RESPAWN_DELAY_S = 0.5
LINGER_S = 2.0  # in which a replaced worker answers the clients that keep their connection
KILL_TIMEOUT_S = 10
BACKLOG = 1024

_log = logging.getLogger("cifra.granian")


def main() -> None:
    """Serve until the process is terminated; requests wait while a worker starts."""
    keep_files_private()
    use_one_thread_for_arrays()
    config = Config.from_env()
    check_workers(config.web_workers, config.redis_url)
    lock = lock_data_dir(config)
    address = check_address(config)
    for number in (signal.SIGUSR1, signal.SIGUSR2):  # their default is to end the process
        signal.signal(number, signal.SIG_IGN)
    handle_signals_of_any_thread()
    multiprocessing.set_start_method("fork")
    server = Server(config, address)
    server.serve(target_loader=partial(load, server.drain, lock), wrap_loader=False)


def load(drain: Drain, lock: int | None, listener: socket.socket, loaded: Event) -> Flask:
    """Create the application of a worker, ready for its first request."""
    end_with_parent()
    raise_open_files_limit()
    if lock is not None:
        os.close(lock)  # the parent's alone, so that it ends with the parent
    gc.disable()  # the imports make little garbage; `start` turns it on again
    from app.bootstrap import start  # noqa: PLC0415
    from app.domain.errors import CifraError  # noqa: PLC0415
    from app.factory import create_app  # noqa: PLC0415  not in the parent process

    config = Config.from_env()
    configure_logging(config.log_format, config.log_level)
    app = create_app(config, live=False)
    try:
        start(app, drain.has_begun)
    except CifraError as error:
        sys.stderr.write(f"cifra: {error.message}\n")
        sys.exit(START_FAILED)
    retirement = Retirement(app.wsgi_app, listener)
    app.wsgi_app = retirement  # type: ignore[method-assign]
    signal.signal(signal.SIGUSR1, retirement.begin)
    app.wsgi_app = BodyDeadlines(  # type: ignore[method-assign]
        app.wsgi_app,
        Deadlines(config.request_header_timeout_s, config.request_body_timeout_s),
        max_requests=config.web_threads - config.live_sockets,
        port=config.port,
    )
    handle_signals_of_any_thread()
    loaded.set()
    return app


class Retirement:
    """Has a worker accept no more connections, and close those that it has after a response.

    A worker that is terminated closes idle connections at once, on which a client may just be
    sending a request; so it retires for a while first.
    """

    def __init__(self, wsgi_app: Callable[..., Iterable[bytes]], listener: socket.socket) -> None:
        self._wsgi_app, self._listener = wsgi_app, listener
        self._has_begun = False

    def begin(self, *_: object) -> None:
        """Begin; a handler of signals.

        granian cannot be told to stop accepting, so its descriptors of the listening socket become
        those of one to which nobody connects. The parent and the successor keep the socket.
        """
        self._has_begun = True
        unused = socket.create_server(("127.0.0.1", 0))
        unused.setblocking(False)
        inode = os.fstat(self._listener.fileno()).st_ino
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  names are what is needed
            with suppress(OSError):  # the listing's own descriptor is closed already
                if os.fstat(int(name)).st_ino == inode:
                    os.dup2(unused.fileno(), int(name), inheritable=False)
        unused.close()

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer a request."""
        if not self._has_begun:
            return self._wsgi_app(environ, start_response)

        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            return start_response(status, [*headers, ("Connection", "close")], *exc_info)

        return self._wsgi_app(environ, start)


class Server(Granian):
    """granian's server with another supervision of its workers.

    It replaces methods that are not part of granian's interface, of the version in constraints.txt;
    tests/integration/test_reload.py notices if they change.
    """

    def __init__(self, config: Config, address: Address) -> None:
        """Prepare the server; `serve` starts it."""
        super().__init__(
            "the loader given to serve",
            interface=Interfaces.WSGI,
            address=config.host,
            port=config.port,
            workers=config.web_workers,
            # Threads that wait for bodies leave those for requests free.
            blocking_threads=config.web_threads - config.live_sockets + MAX_WAITING_BODIES,
            backlog=BACKLOG,
            backpressure=BACKLOG,
            log_dictconfig=logging_settings(config.log_format, config.log_level),
            workers_kill_timeout=KILL_TIMEOUT_S,
            # Without TLS it would speak HTTP/2 too, whose streams keep threads waiting for good.
            http=HTTPModes.http1,
            # Also how long a connection may be idle: granian does not tell the two apart.
            http1_settings=HTTP1Settings(
                config.request_header_timeout_s * 1_000, max_buffer_size=MAX_HEAD_BYTES
            ),
        )
        self.drain = Drain()
        self._address, self._drain_time_s = address, config.drain_time_s
        self._listeners: list[socket.socket] = []
        self._has_served = self._is_terminated = False
        self._stop_now = threading.Event()

    def signal_handler_interrupt(self, number: int, _: FrameType | None) -> None:
        """Stop: after a drain on the first SIGTERM, at once on SIGINT or another signal."""
        if number == signal.SIGTERM and not self.interrupt_signal:
            self._is_terminated = True
        else:
            self._stop_now.set()
        super().signal_handler_interrupt()

    def shutdown(self, exit_code: int = 0) -> None:
        """Serve on for DRAIN_TIME_S after SIGTERM, then stop the workers."""
        if self._is_terminated and self._drain_time_s:
            self.drain.begin()
            _log.info("stopping in %s s; until then /readyz is 503", self._drain_time_s)
            self._stop_now.wait(self._drain_time_s)
        super().shutdown(exit_code)

    def _init_shared_socket(self) -> None:
        """Open a listening socket for each worker; the kernel spreads connections over them."""
        for _ in range(self.workers):
            listener = self._address.bind(share_port=self.workers > 1)
            listener.listen(BACKLOG)
            self._listeners.append(listener)
        self._ssp = self._sso = None

    def _drop_shared_socket(self) -> None:
        for listener in self._listeners:
            listener.close()

    def _spawn_worker(self, idx: int, target: Any, callback_loader: Any) -> Any:
        listener, loaded = self._listeners[idx], multiprocessing.Event()
        self._shd = SocketHolder(listener.fileno(), False, BACKLOG)
        worker = super()._spawn_worker(idx, target, partial(callback_loader, listener, loaded))
        worker.loaded = loaded
        return worker

    def _serve_loop(self, spawn_target: Any, target_loader: Any) -> None:
        """Replace workers that died, and all on SIGHUP, until the server is to stop."""
        start_worker = partial(self._start_worker, spawn_target, target_loader)
        while True:
            self.main_loop_interrupt.wait()
            self.main_loop_interrupt.clear()
            if self.interrupt_signal:
                return
            while self.interrupt_children:
                worker = self.wrks[self.interrupt_children[-1]]
                if self._cannot_start(worker):
                    return  # and `shutdown` exits with 1, since interrupt_children is not empty
                self.interrupt_children.pop()
                if not worker.is_alive():  # else it has been replaced already
                    self._stop_now.wait(RESPAWN_DELAY_S)
                    start_worker(worker.idx)
            if self.reload_signal:
                self.reload_signal = False
                self._reload_workers(start_worker)

    def _cannot_start(self, worker: Any) -> bool:
        """Return whether a worker exited before it served, and none ever has."""
        self._has_served |= any(each.loaded.is_set() for each in self.wrks)
        return not self._has_served and (worker.inner.exitcode or 0) > 0

    def _start_worker(self, spawn_target: Any, target_loader: Any, idx: int) -> Any:
        self.wrks[idx] = self._spawn_worker(idx, spawn_target, target_loader)
        self.wrks[idx].start()
        return self.wrks[idx]

    def _reload_workers(self, start_worker: Callable[[int], Any]) -> None:
        """Replace the workers one by one, each by one that has loaded the application.

        If a new one cannot, the old ones go on.
        """
        for idx, old in enumerate(list(self.wrks)):
            new = start_worker(idx)
            while not new.loaded.wait(0.1) and new.is_alive() and not self.interrupt_signal:
                pass
            if not new.loaded.is_set():
                _log.error("the reload is given up, and the worker before it goes on")
                self.wrks[idx] = old
                _end(new)
                return
            with suppress(ProcessLookupError):
                os.kill(old.inner.pid, signal.SIGUSR1)
            self._stop_now.wait(LINGER_S)
            _end(old)
        _log.info("reloaded")


def _end(worker: Any) -> None:
    worker.terminate()
    worker.join(KILL_TIMEOUT_S)
    if worker.is_alive():
        worker.kill()
        worker.join()


if __name__ == "__main__":
    main()
