"""What tests of the Python client share."""

from collections.abc import Iterator

import pytest

from cifra_client import Cifra
from tests.clients.logins import admin_of, newcomer
from tests.support.server_process import Server


@pytest.fixture
def client(server: Server, request: pytest.FixtureRequest) -> Iterator[Cifra]:
    """Somebody new on the shared server."""
    with newcomer(server, request.node.name[:80]) as made:
        yield made


@pytest.fixture
def admin(server: Server) -> Iterator[Cifra]:
    """The admin of the shared server."""
    with admin_of(server) as made:
        yield made
