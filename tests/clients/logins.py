"""Logins with the Python client, for its tests."""

from cifra_client import Cifra
from tests.support.server_process import Server

PASSWORD = "a long password"


def new_user(server: Server, name: str) -> Cifra:
    """Return a client of a new user, logged in."""
    client = Cifra(server.url)
    client.register(name, PASSWORD)
    client.login(name, PASSWORD)
    return client


def admin_of(server: Server) -> Cifra:
    """Return a client of the first admin, logged in."""
    client = Cifra(server.url)
    client.login("admin", server.admin_password)
    return client
