"""Fixtures for tests of the Python client."""

from collections.abc import Iterator

import pytest

from cifra_client import Cifra
from tests.clients.logins import admin_of, new_user
from tests.support.server_process import Server


@pytest.fixture
def client(server: Server, request: pytest.FixtureRequest) -> Iterator[Cifra]:
    """Return a client of a new user of the shared server."""
    with new_user(server, request.node.name[:80]) as client:
        yield client


@pytest.fixture
def admin(server: Server) -> Iterator[Cifra]:
    """Return a client of the shared server's admin."""
    with admin_of(server) as client:
        yield client
