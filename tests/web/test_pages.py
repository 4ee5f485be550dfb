"""The pages as they leave the server: what they may load, what language they speak."""

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


class Reader(HTMLParser):
    """Notes a page's scripts, its texts for them, and whatever stands inline."""

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
def visitor(app: Flask) -> FlaskClient:
    return app.test_client()


def read(visitor: FlaskClient, path: str, language: str = "en") -> Reader:
    answer = visitor.get(path, headers={"Accept-Language": language})
    assert answer.status_code == 200
    return Reader(answer.text)


def sources(names: list[str]) -> dict[str, str]:
    """These modules of ours with all that they import, by name."""
    found: dict[str, str] = {}
    left = list(names)
    while left:
        name = left.pop()
        if name in found or name.startswith("vendor/"):
            continue
        found[name] = (STATIC / name).read_text()
        left += [normpath(Path(name).parent / path) for path in _IMPORT.findall(found[name])]
    return found


@EVERY_PAGE
def test_nothing_stands_inline_in_a_page(visitor: FlaskClient, path: str) -> None:
    assert read(visitor, path).inline == []


@EVERY_PAGE
def test_a_page_may_load_nothing_from_elsewhere(visitor: FlaskClient, path: str) -> None:
    answer = visitor.get(path)
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert "unsafe" not in POLICY
    assert "http" not in POLICY
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', answer.text)


@EVERY_PAGE
@pytest.mark.parametrize("language", ["en", "es"])
def test_a_page_has_every_text_that_its_scripts_ask_for(
    visitor: FlaskClient, path: str, language: str
) -> None:
    page = read(visitor, path, language)
    assert page.modules
    wanted = {
        (name, key)
        for name, source in sources(page.modules).items()
        for key in _TEXT.findall(source)
    }
    assert {(name, key) for name, key in wanted if not page.texts.get(key)} == set()


@EVERY_PAGE
def test_a_page_says_its_language_and_keeps_the_one_that_was_chosen(
    visitor: FlaskClient, path: str
) -> None:
    assert '<html lang="es">' in visitor.get(path, headers={"Accept-Language": "es-MX"}).text
    assert '<html lang="en">' in visitor.get(path, headers={"Accept-Language": "fi"}).text
    chosen = visitor.get(f"/language/es?back={path}")
    assert (chosen.status_code, chosen.headers["Location"]) == (303, path)
    assert '<html lang="es">' in visitor.get(path, headers={"Accept-Language": "en"}).text


def test_choosing_a_language_leads_to_no_other_site(visitor: FlaskClient) -> None:
    chosen = visitor.get("/language/es?back=//example.org/")
    assert chosen.headers["Location"] == "/"
