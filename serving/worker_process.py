"""How the worker processes of both servers start and end."""

import ctypes
import multiprocessing
import os
import resource
import signal
import sys

START_FAILED = 3  # the exit status of a worker that cannot start; gunicorn's WORKER_BOOT_ERROR

_PR_SET_PDEATHSIG = 1  # of Linux's prctl.h


def end_with_parent() -> None:
    """End this process when its parent ends, however and whenever it ended.

    Workers share their port with whoever listens on it next: an orphan would answer in its place.
    """
    # The handler that comes with the fork is the parent's, which only sets a flag there; granian
    # installs the worker's own once the application is loaded.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    parent = multiprocessing.parent_process()
    if parent is not None and os.getppid() != parent.pid:
        sys.exit(0)


def use_one_thread_for_arrays() -> None:
    """Let NumPy compute in the thread that asks; call it before NumPy is imported.

    A second thread gains nothing on arrays of this size, and while it waits for work it takes a
    core from the requests.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def raise_open_files_limit() -> None:
    """Let this process open as many files as it may: a connection is one, a large body another."""
    _, maximum = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (maximum, maximum))
