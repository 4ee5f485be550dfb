"""No alias is shared by threads.

SQLAlchemy fills in an alias's columns at its first use. Threads that use a new one at the same time
can each get columns of their own, and then every later query with it fails.
"""

import importlib
import pkgutil

from sqlalchemy.orm.util import AliasedClass
from sqlalchemy.sql.selectable import AliasedReturnsRows

import app.services
import app.store


def test_no_module_holds_an_alias() -> None:
    names = [
        module.name
        for package in (app.store, app.services)
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    ]
    assert "app.store.queries.predictions" in names
    held = [
        f"{name}.{attribute}"
        for name in names
        for attribute, value in vars(importlib.import_module(name)).items()
        if isinstance(value, AliasedClass | AliasedReturnsRows)
    ]
    assert held == []
