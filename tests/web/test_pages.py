"""The HTML of the pages: security policy, texts and language."""

import json
import re
from html.parser import HTMLParser
from os.path import normpath
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.web.pages import POLICY
from tests.support.server_process import ROOT

PAGES = ("/", "/review", "/dashboard")
EVERY_PAGE = pytest.mark.parametrize("path", PAGES)
STATIC = ROOT / "app" / "web" / "static"

_IMPORT = re.compile(r'from "(\.[^"]+)";$', re.MULTILINE)
_TEXT = re.compile(r'\btext\("(\w+)"')


class PageParser(HTMLParser):
    """Collects a page's scripts, the texts for them, and inline scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.modules: list[str] = []
        self.texts: dict[str, str] = {}
        self._is_json = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.inline += [
            f"{tag} {name}" for name in named if name == "style" or name.startswith("on")
        ]
        self._is_json = tag == "script" and named.get("type") == "application/json"
        if tag == "style" or (tag == "script" and "src" not in named and not self._is_json):
            self.inline.append(tag)
        if tag == "script" and "src" in named:
            self.modules.append(str(named["src"]).removeprefix("/static/"))

    def handle_data(self, data: str) -> None:
        if self._is_json:
            self.texts |= json.loads(data)

    def handle_endtag(self, _: str) -> None:
        self._is_json = False


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def get_page(client: FlaskClient, path: str, language: str = "en") -> PageParser:
    response = client.get(path, headers={"Accept-Language": language})
    assert response.status_code == 200
    return PageParser(response.text)


def sources(names: list[str]) -> dict[str, str]:
    """Return these modules and all that they import, without vendored ones, by name."""
    found: dict[str, str] = {}
    remaining = list(names)
    while remaining:
        name = remaining.pop()
        if name in found or name.startswith("vendor/"):
            continue
        found[name] = (STATIC / name).read_text()
        remaining += [normpath(Path(name).parent / path) for path in _IMPORT.findall(found[name])]
    return found


@EVERY_PAGE
def test_pages_have_no_inline_scripts_or_styles(client: FlaskClient, path: str) -> None:
    assert get_page(client, path).inline == []


@EVERY_PAGE
def test_pages_load_nothing_from_other_hosts(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    assert response.headers["Content-Security-Policy"] == POLICY
    assert "unsafe" not in POLICY
    assert "http" not in POLICY
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', response.text)


@EVERY_PAGE
@pytest.mark.parametrize("language", ["en", "es"])
def test_pages_have_every_text_their_scripts_use(
    client: FlaskClient, path: str, language: str
) -> None:
    page = get_page(client, path, language)
    assert page.modules
    used = {
        (name, key)
        for name, source in sources(page.modules).items()
        for key in _TEXT.findall(source)
    }
    assert {(name, key) for name, key in used if not page.texts.get(key)} == set()


@EVERY_PAGE
def test_pages_declare_and_keep_the_chosen_language(client: FlaskClient, path: str) -> None:
    assert '<html lang="es">' in client.get(path, headers={"Accept-Language": "es-MX"}).text
    assert '<html lang="en">' in client.get(path, headers={"Accept-Language": "fi"}).text
    chosen = client.get(f"/language/es?back={path}")
    assert (chosen.status_code, chosen.headers["Location"]) == (303, path)
    assert '<html lang="es">' in client.get(path, headers={"Accept-Language": "en"}).text


def test_language_choice_redirects_to_no_other_site(client: FlaskClient) -> None:
    chosen = client.get("/language/es?back=//example.org/")
    assert chosen.headers["Location"] == "/"
